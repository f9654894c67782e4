"""The list of tests that take long names tests that are there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import long


def test_every_test_on_the_list_exists() -> None:
    root, names = Path(__file__).parents[1], long.LIST.read_text(encoding="utf-8").splitlines()
    assert names == sorted(set(names))
    for name in names:
        module, _, function = name.partition("[")[0].partition("::")
        assert f"def {function}(" in (root / module).read_text(encoding="utf-8"), f"{name} is on the list, and no test"


def test_listed_tests_are_marked_and_this_one_is_not(request: pytest.FixtureRequest) -> None:
    listed = set(long.LIST.read_text(encoding="utf-8").splitlines())
    found = [item for item in request.session.items if long.name_of(item.nodeid) in listed]
    assert all(item.get_closest_marker("long") for item in found)
    assert request.node.get_closest_marker("long") is None
