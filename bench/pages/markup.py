"""What every page is made with: templates that escape, and the hashes of a strict content-security policy."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from bench.domain.text import visible

TEMPLATES = Path(__file__).with_name("templates")


def environment() -> Environment:
    """Templates in which everything is escaped and nothing unknown passes."""
    return Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,  # select_autoescape would not know .html.j2
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=_shown,
    )


def _shown(value: object) -> object:
    """What a template writes: of text that is not ours what a reader sees."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def joined(*names: str) -> str:
    """The texts of some files beside the templates, one after another."""
    return "".join((TEMPLATES / name).read_text(encoding="utf-8") for name in names)


def policy_hash(text: str) -> str:
    """What a policy must name for a style or script of exactly this text to be allowed."""
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
