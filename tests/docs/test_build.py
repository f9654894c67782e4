"""The built pages: made without a warning, and read without a network."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.docs.pages import DOCS

MISSING = [name for name in ("sphinx", "myst_parser", "furo") if find_spec(name) is None]
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"the extra docs is not installed: no {', '.join(MISSING)}")
LOADED = re.compile(r"<(?:script|link|img|iframe|source|object)\b[^>]*?\b(?:src|href|data)=\"([^\"]*)\"")
FROM_STYLES = re.compile(r"url\(\s*['\"]?([^'\")]+)|@import\s+['\"]([^'\"]+)")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, as `tox -e docs` builds it."""
    out = tmp_path_factory.mktemp("site")
    words = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-d", f"{out}.trees", str(DOCS), str(out)]
    run = subprocess.run(words, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return out


def test_every_page_is_built_and_asks_no_other_host(site: Path) -> None:
    sources = {path.relative_to(DOCS).with_suffix("") for path in DOCS.rglob("*.md")}
    assert {path.relative_to(site).with_suffix("") for path in site.rglob("*.html")} >= sources
    for page in site.rglob("*.html"):
        asked = LOADED.findall(page.read_text(encoding="utf-8"))
        assert asked
        assert not [target for target in asked if re.match(r"(?:https?:)?//", target)], page
    for style in site.rglob("*.css"):
        found = ["".join(pair) for pair in FROM_STYLES.findall(style.read_text(encoding="utf-8"))]
        assert not [target for target in found if re.match(r"(?:https?:)?//", target)], style


def test_the_examples_the_docstrings_and_the_picture_are_in_it(site: Path) -> None:
    def text(page: str) -> str:
        return re.sub(r"<[^>]+>", "", (site / f"{page}.html").read_text(encoding="utf-8"))

    assert "class FewGreys(Defense):" in text("writing/defense")
    assert "A recipe for a classifier." in text("api")
    assert 'aria-label="Rooms on' in (site / "rooms.html").read_text(encoding="utf-8")
    assert "bench.evaluate(model," in text("python")
