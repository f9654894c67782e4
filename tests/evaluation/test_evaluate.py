from __future__ import annotations

from dataclasses import replace

import pytest

from bench import Plan, Store, UsageError
from bench.evaluation.evaluate import evaluate
from bench.evaluation.requests.planning import make_plan
from bench.evaluation.requests.request import Request
from bench.evaluation.running.work import remaining
from bench.evaluation.verify import verify_plan
from tests.evaluation.observers import Memory
from tests.store.rows import editing


def never() -> str:
    raise AssertionError("a finished plan asks for no device")


@pytest.fixture
def transfer(request_of_halves: Request) -> Plan:
    return make_plan(replace(request_of_halves, defense="tests.plugins:Rounded", source="tests.plugins:Hyperplane"))


def test_a_plan_is_run_once_and_then_never_again(request_of_halves: Request, store: Store) -> None:
    plan = make_plan(request_of_halves)
    first = evaluate(plan, store, Memory(), lambda: "cpu", workers=1)
    outcomes = store.outcomes(plan)
    second = evaluate(plan, store, Memory(), never)
    assert (first.computed, second.computed) == (3, 0)
    assert len(outcomes) == 40
    assert store.outcomes(plan) == outcomes


def test_workers_their_number_and_resumption_change_no_outcome(
    request_of_halves: Request, store: Store, tmp_path: object
) -> None:
    plan = make_plan(request_of_halves)
    other = Store(f"{tmp_path}/other.db")
    evaluate(plan, store, Memory(), lambda: "cpu", workers=1)
    evaluate(plan, other, Memory(), lambda: "cpu", workers=1, only=frozenset({1}))
    resumed = evaluate(plan, other, Memory(), lambda: "cpu", workers=2)
    assert resumed.computed == 2
    assert other.outcomes(plan) == store.outcomes(plan)
    assert [shard.perturbed_sha256 for shard in other.shards(plan)] == [
        shard.perturbed_sha256 for shard in store.shards(plan)
    ]


def test_crafted_images_are_made_once_for_every_defense(
    request_of_halves: Request, transfer: Plan, store: Store
) -> None:
    first = evaluate(transfer, store, Memory(), lambda: "cpu", workers=1)
    noisy = make_plan(
        replace(request_of_halves, defense="tests.plugins:NoisyHyperplane", source="tests.plugins:Hyperplane")
    )
    second = evaluate(noisy, store, Memory(), lambda: "cpu", workers=1)
    source = evaluate(make_plan(request_of_halves), store, Memory(), never)
    crafting = transfer.crafting()
    assert crafting is not None
    assert first.seconds >= sum(shard.seconds for shard in store.shards(crafting))
    assert (first.crafted, first.computed) == (3, 3)
    assert (second.crafted, second.computed) == (0, 3)
    assert source.computed == 0
    attacked = [plan for plan in store.plans() if not plan.is_untouched]
    assert len({tuple(shard.perturbed_sha256 for shard in store.shards(plan)) for plan in attacked}) == 1


def test_images_that_are_missing_or_damaged_are_crafted_again(transfer: Plan, store: Store) -> None:
    crafting = transfer.crafting()
    assert crafting is not None
    evaluate(crafting, store, Memory(), lambda: "cpu", workers=1)
    shards = store.shards(crafting)
    store.artifacts.path(shards[0].perturbed_sha256).unlink()
    store.artifacts.path(shards[2].perturbed_sha256).write_bytes(b"damaged")
    assert [shard.index for shard in remaining(transfer, store).to_craft] == [0, 2]
    evaluation = evaluate(transfer, store, Memory(), lambda: "cpu", workers=1)
    assert (evaluation.crafted, evaluation.computed) == (2, 3)
    assert [shard.perturbed_sha256 for shard in store.shards(crafting)] == [s.perturbed_sha256 for s in shards]


def test_transferred_images_count_no_queries_of_the_defense(transfer: Plan, store: Store) -> None:
    evaluate(transfer, store, Memory(), lambda: "cpu", workers=1)
    assert {(shard.forwards, shard.backwards) for shard in store.shards(transfer)} == {(0, 0)}


def test_a_failed_shard_is_reported_and_nothing_of_it_is_stored(request_of_halves: Request, store: Store) -> None:
    plan = make_plan(replace(request_of_halves, attack="tests.plugins:Cheat", attack_settings={"how": "raise"}))
    memory = Memory()
    evaluation = evaluate(plan, store, memory, lambda: "cpu", workers=1)
    assert [failure.shard for failure in evaluation.failures] == [0, 1, 2]
    assert "KeyError" in evaluation.failures[0].sentence
    assert "Traceback" in evaluation.failures[0].details
    assert memory.stored == []
    assert store.plans() == []


def test_untouched_images_are_judged_once_for_every_attack(request_of_halves: Request, store: Store) -> None:
    first = make_plan(request_of_halves)
    evaluate(first, store, Memory(), lambda: "cpu", workers=1)
    untouched = first.untouched()
    before = store.shards(untouched)
    second = make_plan(replace(request_of_halves, attack="fgsm-linf"))
    evaluate(second, store, Memory(), lambda: "cpu", workers=1)
    alone = evaluate(make_plan(replace(request_of_halves, attack="none")), store, Memory(), never)
    assert second.untouched().digest == untouched.digest
    assert [shard.finished for shard in store.shards(untouched)] == [shard.finished for shard in before]
    assert (len(before), alone.computed) == (3, 0)
    assert [outcome.clean for outcome in store.outcomes(second)] == [o.perturbed for o in store.outcomes(untouched)]


def test_a_worker_that_is_killed_fails_its_shard_and_the_others_go_on(request_of_halves: Request, store: Store) -> None:
    image = make_plan(request_of_halves).indices[20]
    plan = make_plan(replace(request_of_halves, attack="tests.plugins:Leaver", attack_settings={"image": image}))
    evaluation = evaluate(plan, store, Memory(), lambda: "cpu", workers=2)
    assert {failure.sentence.partition(" (")[0] for failure in evaluation.failures} == {
        "A worker process ended without a word"
    }
    assert [failure.shard for failure in evaluation.failures] == [1]
    assert evaluation.computed == 2


def test_the_plan_of_an_older_bench_is_not_verified_by_a_newer_one(request_of_halves: Request, store: Store) -> None:
    with pytest.raises(UsageError, match="older bench"):
        verify_plan(replace(make_plan(request_of_halves), harness="1"), store, Memory(), never)


def test_a_source_that_fails_fails_the_shards_that_need_it(request_of_halves: Request, store: Store) -> None:
    plan = make_plan(
        replace(
            request_of_halves,
            defense="tests.plugins:Rounded",
            source="tests.plugins:Faulty",
        )
    )
    evaluation = evaluate(plan, store, Memory(), lambda: "cpu", workers=2)
    assert sorted(failure.shard for failure in evaluation.failures) == [0, 1, 2]
    assert evaluation.computed == 0


def test_a_stored_plan_is_verified_by_running_it_again(transfer: Plan, store: Store) -> None:
    evaluate(transfer, store, Memory(), lambda: "cpu", workers=1)
    same = verify_plan(transfer, store, Memory(), lambda: "cpu", workers=1)
    assert (same.samples, same.different) == (40, [])


def test_an_outcome_that_was_tampered_with_is_found_by_verification(transfer: Plan, store: Store) -> None:
    evaluate(transfer, store, Memory(), lambda: "cpu", workers=1)
    sample = store.outcomes(transfer)[19]
    with editing(str(store.path)) as database:
        edited = database.execute(
            "UPDATE outcomes SET perturbed = ? WHERE sample = ? AND shard IN (SELECT id FROM shards WHERE plan = ?)",
            (f"[{1 - sample.perturbed[0]}]", sample.index, transfer.digest),
        )
        assert edited.rowcount == 1
    report = verify_plan(transfer, store, Memory(), lambda: "cpu", workers=1)
    assert report.different == [sample.index]
