"""Which row of a call has which work."""

from __future__ import annotations

from dataclasses import replace

from bench.evaluation.estimates.parts import Row, rows_of
from bench.store.store import Store
from tests.analysis.made import add, make_plan

SMALL = {"samples": 12, "shard_size": 4}


def numbers(row: Row) -> tuple[list[int], list[int]]:
    """The shards that a row runs, and those that are crafted for it first."""
    first = () if row.first is None else row.first.shards
    return [shard.index for shard in row.own.shards], [shard.index for shard in first]


def test_finished_shards_are_no_work(store: Store) -> None:
    plan = make_plan("resnet", **SMALL)
    add(store, plan, [True] * 12, [True] * 12, shards=[0, 2])
    (row,) = rows_of([plan], store)
    assert numbers(row) == ([1], [])
    assert row.own.samples == 4
    add(store, plan, [True] * 12, [True] * 12, shards=[1])
    (row,) = rows_of([plan], store)
    assert (row.parts, row.elsewhere) == ((), False)


def test_images_are_crafted_once_for_all_rows_that_need_them(store: Store) -> None:
    first, second = make_plan("tmdc", **SMALL), make_plan("vit", **SMALL)
    rows = rows_of([first, second], store)
    assert [numbers(row) for row in rows] == [([0, 1, 2], [0, 1, 2]), ([0, 1, 2], [])]
    assert [row.elsewhere for row in rows] == [False, True]


def test_the_source_s_own_row_crafts_wherever_it_stands(store: Store) -> None:
    judged, source = make_plan("tmdc", **SMALL), make_plan("resnet", **SMALL)
    rows = rows_of([judged, source], store)
    assert [numbers(row) for row in rows] == [([0, 1, 2], []), ([0, 1, 2], [])]
    assert [row.elsewhere for row in rows] == [True, False]


def test_a_plan_that_stands_twice_is_run_once(store: Store) -> None:
    plan = make_plan("resnet", **SMALL)
    assert [numbers(row) for row in rows_of([plan, plan], store)] == [([0, 1, 2], []), ([], [])]


def test_untouched_images_are_judged_once_for_all_attacks(store: Store) -> None:
    plan, other = make_plan("resnet", **SMALL), make_plan("resnet", "pgd-linf", **SMALL)
    assert [row.own.untouched for row in rows_of([plan, other], store)] == [frozenset({0, 1, 2}), frozenset()]
    add(store, plan.untouched(), [True] * 12, [True] * 12, shards=[1])
    assert rows_of([replace(plan, passes=7)], store)[0].own.untouched == frozenset({0, 2})
