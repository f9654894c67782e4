from __future__ import annotations

import time
from pathlib import Path

import pytest

from bench.store.store import Store
from tests.store.test_store import plan_of, result_of

LONG, SHORT = 60.0, 0.3


def test_a_shard_is_held_by_one_worker_until_it_is_given_back(store: Store) -> None:
    plan, claims = plan_of(), store.claims
    assert claims.take(plan, [2, 0], "first", LONG) == {0, 2}
    assert claims.take(plan, [0, 1, 2], "second", LONG) == {1}
    assert claims.take(plan, [0, 1, 2], "first", LONG) == {0, 2}
    assert claims.take(plan_of(seed=1), [0], "second", LONG) == {0}
    claims.release("first", plan, 0)
    assert claims.take(plan, [0, 2], "second", LONG) == {0}
    claims.release("second", plan)
    assert claims.take(plan, [0, 1, 2], "third", LONG) == {0, 1}
    assert [(claim.plan, claim.shard) for claim in claims.held() if claim.worker == "second"] == [
        (plan_of(seed=1).digest, 0)
    ]
    claims.release("second")
    assert {claim.worker for claim in claims.held()} == {"first", "third"}


def test_a_lease_that_has_run_out_is_taken_over_and_one_that_is_renewed_is_not(store: Store) -> None:
    plan, claims = plan_of(), store.claims
    assert claims.take(plan, [0], "dead", SHORT) == {0}
    assert claims.take(plan, [1], "alive", SHORT) == {1}
    claims.renew("alive", LONG)
    assert claims.take(plan, [0, 1], "other", LONG) == frozenset()
    time.sleep(SHORT + 0.1)
    assert [(claim.shard, claim.worker) for claim in claims.held()] == [(1, "alive")]
    assert claims.take(plan, [0, 1], "other", LONG) == {0}
    claims.renew("dead", LONG)
    claims.release("dead")
    assert [(claim.shard, claim.worker) for claim in claims.held()] == [(0, "other"), (1, "alive")]


def test_a_claim_says_how_long_it_holds_by_the_databases_clock(store: Store) -> None:
    plan, before = plan_of(), time.time()
    store.claims.take(plan, [1], "me", LONG)
    (claim,) = store.claims.held()
    assert (claim.plan, claim.shard, claim.worker) == (plan.digest, 1, "me")
    assert claim.expires - claim.taken == pytest.approx(LONG, abs=0.01)
    assert before - 0.1 <= claim.taken <= time.time() + 0.1
    assert LONG - 10 < claim.left <= LONG


def test_a_finished_shard_is_free_of_its_claim_and_given_only_on_purpose(store: Store) -> None:
    plan, claims = plan_of(), store.claims
    claims.take(plan, [0, 1], "me", LONG)
    store.add(plan, result_of(plan, 0))
    assert [claim.shard for claim in claims.held()] == [1]
    assert claims.take(plan, [0, 1, 2], "other", LONG) == {2}
    assert claims.take(plan, [0], "other", LONG, finished=True) == {0}
    assert claims.take(plan, [0], "me", LONG, finished=True) == frozenset()


def test_the_first_shards_that_are_free_are_given_up_to_a_number(store: Store) -> None:
    plan, claims = plan_of(40), store.claims
    claims.take(plan, [9, 7], "other", LONG)
    store.add(plan, result_of(plan, 8))
    assert claims.take(plan, range(9, -1, -1), "me", LONG, most=3) == {6, 5, 4}
    assert claims.take(plan, range(10), "me", LONG, most=0) == frozenset()
    assert claims.take(plan, [], "me", LONG) == frozenset()
    assert claims.take(plan, range(10), "you", LONG, most=20) == {0, 1, 2, 3}


def test_more_shards_than_a_statement_holds_are_taken_at_once(store: Store) -> None:
    plan = plan_of(1024)
    assert store.claims.take(plan, range(1200), "me", LONG) == set(range(1200))
    assert store.claims.take(plan, range(1203), "you", LONG) == {1200, 1201, 1202}


def test_a_plan_whose_shards_are_only_claimed_is_described_and_not_listed(store: Store) -> None:
    plan = plan_of()
    store.claims.take(plan, [0], "me", LONG)
    assert store.plans() == []
    assert store.plan(plan.digest) == plan


def test_workers_are_listed_with_what_they_last_said_until_they_leave(store: Store) -> None:
    claims = store.claims
    claims.note("a", "resnet under pgd-linf", 3, host="here")
    claims.note("b")
    claims.note("a", "resnet under pgd-l2", 4, host="here")
    first, second = claims.workers()
    assert (first.name, first.host, first.doing, first.done) == ("a", "here", "resnet under pgd-l2", 4)
    assert (second.doing, second.done) == ("", 0)
    assert second.host
    assert first.started < first.seen
    assert 0 <= first.silent < 10
    claims.take(plan_of(), [0], "a", LONG)
    claims.forget("a")
    assert [worker.name for worker in claims.workers()] == ["b"]
    assert claims.held() == ()


def test_a_store_that_is_open_for_reading_shows_who_is_at_work(tmp_path: Path) -> None:
    location = tmp_path / "results.db"
    Store(location).claims.take(plan_of(), [0], "me", LONG)
    assert [claim.worker for claim in Store(location, create=False).claims.held()] == ["me"]


@pytest.mark.parametrize("hours", [-1, 1], ids=["back", "forward"])
def test_a_clock_that_jumps_costs_work_and_no_result(store: Store, hours: int) -> None:
    plan, claims = plan_of(), store.claims
    claims.take(plan, [0], "dead", LONG)
    claims.take(plan, [1], "alive", LONG)
    claims.note("alive")
    _set_clock(store, hours)
    claims.renew("alive", LONG)
    claims.note("alive")
    assert claims.take(plan, [0, 1], "other", LONG) == {0}
    assert [(claim.shard, claim.worker) for claim in claims.held()] == [(0, "other"), (1, "alive")]
    assert {worker.name: worker.silent < 1 for worker in claims.workers()} == {"alive": True}
    for number in (0, 1):
        store.add(plan, result_of(plan, number))
    assert (claims.held(), store.conflicts(), store.shard_numbers(plan)) == ((), (), {0, 1})


def _set_clock(store: Store, hours: int) -> None:
    """Let the database's clock be set by so many hours: what it has said before moves the other way."""
    with store._engine.begin() as connection:
        connection.exec_driver_sql(
            f"UPDATE claims SET taken = taken - {3600 * hours}, expires = expires - {3600 * hours}"
        )
        connection.exec_driver_sql(f"UPDATE workers SET seen = seen - {3600 * hours}")
