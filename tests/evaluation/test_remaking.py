"""Images that were deleted from under finished plans are crafted again and checked by their hash."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bench import Plan, Store
from bench.evaluation.evaluate import evaluate
from bench.evaluation.remaking import lacking, remake
from bench.evaluation.requests.planning import make_plan
from bench.evaluation.requests.request import Request
from tests.evaluation.observers import Memory
from tests.store.honest import edit
from tests.store.memory import Memory as Nowhere


@pytest.fixture
def white(request_of_halves: Request, store: Store) -> Plan:
    plan = make_plan(request_of_halves)
    evaluate(plan, store, Memory(), lambda: "cpu", workers=1)
    return plan


@pytest.fixture
def transfer(request_of_halves: Request, white: Plan, store: Store) -> Plan:
    plan = make_plan(replace(request_of_halves, defense="tests.plugins:Rounded", source="tests.plugins:Hyperplane"))
    evaluate(plan, store, Memory(), lambda: "cpu", workers=1)
    return plan


def hashes(store: Store, plan: Plan) -> list[str]:
    return [shard.perturbed_sha256 for shard in store.shards(plan)]


def test_images_deleted_from_under_a_finished_plan_come_back(white: Plan, transfer: Plan, store: Store) -> None:
    names, outcomes = hashes(store, white), store.outcomes(white)
    before = {name: store.artifacts.content(name) for name in names}
    store.artifacts.delete(names[0])
    store.artifacts.path(names[2]).write_bytes(b"damaged")
    assert [len(each.shards) for each in lacking([white, transfer], store, look=True)] == [1]
    (gone,) = lacking([transfer, white, white.untouched()], store)
    assert (gone.plan.digest, dict(gone.shards)) == (white.digest, {0: names[0], 2: names[2]})
    remade = remake(gone, store, Memory(), lambda: "cpu", workers=1)
    assert (remade.shards, remade.conflicts, remade.failures) == (2, (), ())
    assert {name: store.artifacts.content(name) for name in names} == before
    assert (lacking([white, transfer], store), hashes(store, white), store.outcomes(white)) == ([], names, outcomes)


def test_a_whole_place_that_is_gone_is_filled_again_elsewhere(white: Plan, store: Store) -> None:
    elsewhere = Store(store.location, artifacts=Nowhere())
    (gone,) = lacking([white], elsewhere)
    assert remake(gone, elsewhere, Memory(), lambda: "cpu", workers=2).shards == 3
    assert {kept.sha256 for kept in elsewhere.artifacts.kept()} == set(hashes(store, white))


def test_images_that_come_out_otherwise_are_told_and_change_nothing(white: Plan, store: Store) -> None:
    names = hashes(store, white)
    edit(store, f"UPDATE shards SET perturbed_sha256 = '{'ab' * 32}' WHERE perturbed_sha256 = '{names[1]}'")
    (gone,) = lacking([white], store)
    remade = remake(gone, store, Memory(), lambda: "cpu", workers=1)
    (conflict,) = remade.conflicts
    assert (remade.shards, conflict.number, conflict.samples) == (0, 1, 0)
    assert f"their hash is {names[1][:12]}, not abababababab" in conflict.sentence
    assert hashes(store, white)[1] == "ab" * 32
    assert store.conflicts() == ()


def test_outcomes_that_come_out_otherwise_are_kept_as_a_conflict(white: Plan, store: Store) -> None:
    store.artifacts.delete(hashes(store, white)[0])
    edit(store, "UPDATE outcomes SET perturbed = '[7]' WHERE position = 0")
    (gone,) = lacking([white], store)
    (conflict,) = remake(gone, store, Memory(), lambda: "cpu", workers=1).conflicts
    assert store.conflicts(white)[0].sentence == conflict.sentence
    assert conflict.samples == 1


def test_a_transfer_that_needs_other_images_than_its_source_had_says_so(
    white: Plan, store: Store, request_of_halves: Request
) -> None:
    edit(store, f"UPDATE shards SET perturbed_sha256 = '{'ab' * 32}' WHERE plan = '{white.digest}' AND number = 2")
    plan = make_plan(replace(request_of_halves, defense="tests.plugins:Rounded", source="tests.plugins:Hyperplane"))
    evaluation = evaluate(plan, store, Memory(), lambda: "cpu", workers=1)
    assert (evaluation.crafted, evaluation.computed) == (1, 3)
    (conflict,) = evaluation.conflicts
    assert (conflict.plan, conflict.number) == (white.digest, 2)
    assert "are not those that are recorded" in conflict.sentence


def test_images_of_a_merged_transfer_are_crafted_by_a_source_that_was_never_stored(
    transfer: Plan, store: Store, tmp_path: Path
) -> None:
    from bench.store.others.foreign import read_shards

    alone = Store(tmp_path / "alone.db")
    alone.fill(transfer, read_shards(store, transfer))
    (gone,) = lacking([transfer], alone)
    crafting = transfer.crafting()
    assert crafting is not None
    assert (gone.plan.digest, list(gone.shards.values())) == (crafting.digest, hashes(store, transfer))
    assert remake(gone, alone, Memory(), lambda: "cpu", workers=1).shards == 3
    assert lacking([transfer], alone) == []


def test_images_of_an_older_bench_are_not_looked_for(white: Plan, store: Store) -> None:
    assert lacking([replace(white, harness="1")], store) == []
