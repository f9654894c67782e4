from __future__ import annotations

from pathlib import Path

from tests.zoo.table import cases, table


def test_the_table_in_the_docs_is_the_generated_one() -> None:
    assert (Path(__file__).parents[2] / "docs" / "cheats.md").read_text() == table()


def test_there_are_at_least_thirty_kinds_and_no_title_twice() -> None:
    titles = [case.title for case in cases()]
    assert len(titles) >= 30
    assert len(set(titles)) == len(titles)
