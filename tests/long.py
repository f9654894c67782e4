"""Tests that take long: the default run leaves them out, and CI runs them first (`pytest -m long`).

`python -m tests.long junit.xml` writes their list anew from a run of all tests (`pytest -m 'not gpu and not slow and
not network' --junitxml=junit.xml`), best on an idle machine.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from xml.etree import ElementTree

import pytest

LIST = Path(__file__).with_name("long.txt")
SECONDS = 1.0
"""What takes longer on one core is long."""


def mark(items: Iterable[pytest.Item]) -> None:
    """Mark those of these tests that are on the list."""
    listed = set(LIST.read_text(encoding="utf-8").splitlines())
    for item in items:
        if name_of(item.nodeid) in listed:
            item.add_marker("long")


def name_of(node: str) -> str:
    """A test's name in one line of ASCII, whatever stands in its parameters."""
    return node.encode("unicode_escape").decode()


def _measured(report: Path) -> list[str]:
    found = []
    for case in ElementTree.parse(report).iter("testcase"):
        module, name = str(case.get("classname")), str(case.get("name"))
        if float(str(case.get("time"))) > SECONDS:
            found.append(name_of(f"{module.replace('.', '/')}.py::{name}"))
    return sorted(found)


if __name__ == "__main__":
    LIST.write_text("\n".join(_measured(Path(sys.argv[1]))) + "\n", encoding="utf-8")
