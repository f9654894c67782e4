"""What every page is made with: templates that escape, and the hashes of a strict content-security policy."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from bench.analysis import notation
from bench.domain.text import visible
from bench.pages.whole_files import replacing

TEMPLATES = Path(__file__).with_name("templates")
WRITTEN = (
    *("percent", "span", "signed", "likelihood", "budget"),
    *("duration", "brief", "memory", "moment", "passes"),
)
"""How figures are written, by the names of the filters that templates know them by."""


def compose(
    template: str,
    *,
    styles: Sequence[str],
    scripts: Sequence[str] = (),
    filters: Mapping[str, Callable[..., object]] | None = None,
    refresh: int | None = None,
    **shown: Any,
) -> str:
    """The text of a page: what is `shown` in a template, in which everything is escaped and nothing unknown passes.

    `styles` and `scripts` are files beside the templates, which stand in the page one after another. With `refresh` a
    browser reads the page again after so many seconds.
    """
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,  # select_autoescape would not know .html.j2
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=_shown,
    )
    environment.filters.update({name: getattr(notation, name) for name in WRITTEN}, **(filters or {}))
    style, script = _joined(styles), _joined(scripts)
    shown |= {"style": style, "style_hash": _policy_hash(style), "script": script, "script_hash": _policy_hash(script)}
    return environment.get_template(template).render(shown, refresh=refresh)


def write(page: str, output: Path) -> Path:
    """Write a page whole, and return its path; missing folders are made.

    Raises `BenchError` where the file cannot be written.
    """
    with replacing(output, "The page", "name another file with --output") as file:
        file.write(page.encode())
    return output


def _shown(value: object) -> object:
    """What a template writes: of text that is not ours what a reader sees."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _joined(names: Sequence[str]) -> str:
    return "".join((TEMPLATES / name).read_text(encoding="utf-8") for name in names)


def _policy_hash(text: str) -> str:
    """What a policy must name for a style or script of exactly this text to be allowed."""
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
