"""The text of the pages: their fenced blocks, and the commands in them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
EXAMPLES = ROOT / "examples"
RUN, SHOWN = "console", "sh"
"""Commands of the first kind of block are run by tests, those of the second only read."""


def text_of(page: str) -> str:
    """A page of the docs by its path in them, without the ending."""
    return (DOCS / f"{page}.md").read_text(encoding="utf-8")


def blocks(text: str, language: str) -> list[str]:
    """The fenced blocks of a language, in their order."""
    return re.findall(rf"^```{re.escape(language)}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def commands(text: str, *languages: str) -> Iterator[list[str]]:
    """The words of every `bench` command in blocks of these languages, without `bench` itself, in their order."""
    found = re.finditer(rf"^```({'|'.join(languages)})\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    for line in "\n".join(block[2] for block in found).replace("\\\n", " ").splitlines():
        for part in line.split("&&"):
            words = shlex.split(part, comments=True)
            if words[:1] == ["bench"]:
                yield words[1:]
