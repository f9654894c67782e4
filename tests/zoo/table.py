"""Writes the table of cheats and accidents: `python -m tests.zoo.table > docs/cheats.md`."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HEAD = """# What the harness catches

Every line is a test in `tests/zoo`. *refused*: the shard has no result. *invalid*: it has one, which says why it is no
evidence, and stays off every leaderboard. *doubted*: the number stands, and the doubt stands beside it.

| what is tried | ends |
|---|---|
"""
TAIL = """
## What it cannot catch

A plugin runs with its user's rights. One that means harm can write files, and so carry labels from the process in which
it is attacked to the one in which it is judged, or edit the store itself; one that knows the test set by heart can
answer from memory. Run a stranger's plugin in a container without shared disks, and let somebody else run
`bench verify`. What a store says of predictions and facts cannot be checked without the model: merged results say where
they came from.
"""


def cases() -> Iterator[Any]:
    """All cases, file by file."""
    for path in sorted(Path(__file__).parent.glob("test_*.py")):
        yield from getattr(importlib.import_module(f"tests.zoo.{path.stem}"), "CASES", ())


def table() -> str:
    """The whole page."""
    rows = [f"| {case.title} | {case.ending} |\n" for case in cases()]
    return HEAD + "".join(rows) + TAIL


if __name__ == "__main__":
    print(table(), end="")
