"""The pages that come with bench: each of a study as it is now, and fit for a browser."""

from __future__ import annotations

import json
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from bench.protocols.studies import builtin_studies, find_study
from tests.browsing import SCREENS, browser, needs_chromium, quiet

__all__ = ["browser"]
REPORTS = Path(__file__).parents[2] / "reports"
DIGITS = [name for name in builtin_studies() if (REPORTS / f"{name}-digits").is_dir()]


def test_there_are_pages() -> None:
    assert "tmdc" in DIGITS
    assert {folder.name for folder in REPORTS.glob("*-digits")} == {f"{name}-digits" for name in DIGITS}


def figures(name: str) -> Any:
    """What lies beside a page."""
    return json.loads((REPORTS / f"{name}-digits" / "index.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", DIGITS)
def test_a_page_is_of_the_study_as_it_is_and_lacks_nothing(name: str) -> None:
    study, found = find_study(name, "digits"), figures(name)
    assert (found["study"], found["version"], found["scale"]) == (name, study.version, "full")
    assert [claim["claim"] for claim in found["claims"]] == [claim.text for claim in study.claims]
    assert {(cell["row"], cell["column"]) for cell in found["cells"]} == set(study.cells())
    assert all(cell["figure"] is not None for cell in found["cells"] if not cell["refused"])
    assert "not measured" not in {claim["verdict"] for claim in found["claims"]}
    page = unescape((REPORTS / f"{name}-digits" / "index.html").read_text(encoding="utf-8"))
    for claim in found["claims"]:
        assert claim["claim"] in page
    assert f"bench reproduce {name} --dataset digits" in page
    assert f"{name}-digits" in (REPORTS / "README.md").read_text(encoding="utf-8")


@needs_chromium
@pytest.mark.parametrize("name", DIGITS)
def test_a_page_is_quiet_fits_and_can_be_read_by_ear(name: str, browser: Browser) -> None:
    address = (REPORTS / f"{name}-digits" / "index.html").as_uri()
    for width, scheme in SCREENS:
        with quiet(browser, address, width, scheme) as page:
            told = page.locator("#claims ~ .claims .verdict").all_inner_texts()
            assert [text.split("\n")[-1].strip() for text in told] == [c["verdict"] for c in figures(name)["claims"]]
