from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from bench.store.store import Store
from tests.analysis.made import add, make_plan
from tests.cli.command import bench


def test_who_is_at_work_is_told_to_people_and_programs() -> None:
    store, plan = Store(Path("results.db")), make_plan(samples=32, shard_size=4)
    code, out, _ = bench("status")
    assert code == 0
    assert "Nobody is at work on this store" in out
    add(store, plan, [True] * 32, [True] * 32, shards=range(6))
    store.claims.note("one", "aa-linf on tmdc", 6, host="node[1]")
    store.claims.take(plan, [6, 7], "one", 60)
    code, out, _ = bench("status")
    assert code == 0
    assert "node[1]" in out
    assert "6/8" in out
    assert "left for 1 plan with 1 worker" in out
    (found,) = json.loads(bench("status", "--json")[1])["plans"]
    assert (found["stored"], found["held"], found["shards"]) == (6, 2, 8)


def test_no_store_is_one_sentence() -> None:
    code, _, err = bench("status")
    assert code == 1
    assert "There is no results database at results.db" in err


@pytest.mark.parametrize("odd", [b"\xff", "x", -1, 1e300], ids=repr)
@pytest.mark.parametrize(
    "place",
    [*(("workers", each) for each in ("name", "host", "doing", "done", "started", "seen")), ("claims", "worker")],
    ids=".".join,
)
def test_rows_that_no_worker_wrote_are_passed_over(place: tuple[str, str], odd: object) -> None:
    store, plan = Store(Path("results.db")), make_plan(samples=32, shard_size=4)
    add(store, plan, [True] * 32, [True] * 32, shards=range(6))
    store.claims.note("one", "aa-linf on tmdc", 6, host="node")
    store.claims.take(plan, [6, 7], "one", 60)
    store.close()
    with sqlite3.connect("results.db") as connection:
        connection.execute(f"UPDATE {place[0]} SET {place[1]} = ?", (odd,))
    connection.close()
    assert bench("status")[0] == 0
    assert json.loads(bench("status", "--json")[1]).keys() >= {"workers", "plans"}
