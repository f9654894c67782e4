from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.store.store import Store
from tests.cli.command import bench
from tests.report.made import add, small_plan

RIGHT, WRONG = [True] * 8, [False] * 8


def test_two_stores_become_one_and_again_makes_no_difference() -> None:
    add(Store("a.db"), small_plan("tmdc"), RIGHT, RIGHT)
    add(Store("b.db"), small_plan("vit"), RIGHT, WRONG)
    code, out, _ = bench("merge", "a.db", "b.db", "--db", "both.db")
    assert code == 0
    assert "b.db holds 1 plan, 1 of them new: 2 shards copied" in out
    assert "bench report --db both.db" in out
    assert {plan.defense.name for plan in Store("both.db").plans()} == {"tmdc", "vit"}
    again = json.loads(bench("merge", "a.db", "b.db", "--db", "both.db", "--json")[1])
    assert [(merged["copied_shards"], merged["equal_shards"]) for merged in again["merged"]] == [(0, 2), (0, 2)]


def test_a_difference_is_one_sentence_and_exit_code_1() -> None:
    add(Store("results.db"), small_plan(), RIGHT, RIGHT)
    add(Store("other.db"), small_plan(), RIGHT, [False, *RIGHT[1:]], environment={"device": "H200", "torch": "2.13"})
    code, out, _ = bench("merge", "other.db")
    assert code == 1
    (sentence,) = (line for line in out.splitlines() if line.startswith("Different"))
    assert "1 of 8 samples of tmdc under aa-linf on digits differ" in sentence
    assert "CPU of the tests with torch 2.0" in sentence
    assert "H200 with torch 2.13" in sentence
    code, out, _ = bench("merge", "other.db", "--json")
    assert code == 1
    (difference,) = json.loads(out)["merged"][0]["differences"]
    assert (difference["samples"], difference["compared"], difference["shards"]) == (1, 8, [0])


@pytest.mark.parametrize(
    ("words", "code", "hint"),
    [
        (["merge"], 2, "OTHER"),
        (["merge", "nothing.db"], 2, "no results database at nothing.db"),
        (["merge", "a.db", "nothing.db"], 2, "no results database at nothing.db"),
        (["merge", "."], 2, "no results database"),
        (["merge", "notes.db"], 1, "not a database"),
        (["merge", "a.db", "--db", "a.db"], 2, "is the store that is merged into"),
        (["merge", "a.db", "--db", "nowhere/results.db"], 1, "does not exist"),
        (["merge", "mysql://host/results"], 2, "SQLite files"),
    ],
)
def test_what_cannot_be_merged_is_one_sentence_and_nothing_is_written(words: list[str], code: int, hint: str) -> None:
    add(Store("a.db"), small_plan(), RIGHT, RIGHT)
    Path("notes.db").write_text("my notes, more than sixteen bytes of them")
    found, out, err = bench(*words)
    assert found == code
    assert hint in out + err
    assert not Path("results.db").exists()
