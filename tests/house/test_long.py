"""The list of tests that take long names tests that are there."""

from __future__ import annotations

from pathlib import Path

from tests import long


def test_every_test_on_the_list_exists() -> None:
    root, names = Path(__file__).parents[2], long.LIST.read_text(encoding="utf-8").splitlines()
    assert names == sorted(set(names))
    for name in names:
        module, _, function = name.partition("[")[0].partition("::")
        assert f"def {function}(" in (root / module).read_text(encoding="utf-8"), f"{name} is on the list, and no test"


def test_listed_tests_are_marked_and_no_others() -> None:
    class Item:
        def __init__(self, nodeid: str) -> None:
            self.nodeid, self.marks = nodeid, list[str]()

        def add_marker(self, mark: str) -> None:
            self.marks.append(mark)

    names = long.LIST.read_text(encoding="utf-8").splitlines()
    items = [Item(names[0]), Item(names[-1]), Item(f"{names[0]}_too")]
    long.mark(items)  # type: ignore[arg-type]  # a stand-in
    assert [item.marks for item in items] == [["long"], ["long"], []]
    assert long.name_of("tests/a.py::test[\u00e9\n]") == r"tests/a.py::test[\xe9\n]"
