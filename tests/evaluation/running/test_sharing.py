"""Several runs on one store."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from bench import Plan, Store
from bench.evaluation.evaluate import evaluate
from bench.evaluation.requests.planning import make_plan
from bench.evaluation.requests.request import Request
from bench.evaluation.running.run import Evaluation
from bench.evaluation.running.sharing import Share, is_dead, own_name
from tests.evaluation.observers import Memory
from tests.evaluation.running.test_queue import evaluated, three

__all__ = ["three"]  # a fixture


def run(plan: Plan, store: Store) -> Evaluation:
    return evaluate(plan, store, Memory(), lambda: "cpu", workers=1)


def test_two_runs_of_the_same_plans_compute_each_shard_once(three: list[Plan], store: Store) -> None:
    assert store.path is not None
    stores = [store, Store(store.path)]
    with ThreadPoolExecutor() as pool:
        found = list(pool.map(lambda each: evaluated(three, each), stores))
    computed = [[evaluation.computed for evaluation in each] for each in found]
    assert [sum(pair) for pair in zip(*computed, strict=True)] == [3, 3, 3]
    assert not store.conflicts()
    assert not [evaluation for each in found for evaluation in each if evaluation.failures]
    assert store.claims.held() == store.claims.workers() == ()


def test_a_shard_of_a_run_that_died_is_taken_over_when_its_lease_is_over(
    request_of_halves: Request, store: Store
) -> None:
    plan = make_plan(request_of_halves)
    store.claims.take(plan, [1], "died", 1.5)
    started = time.monotonic()
    assert run(plan, store).computed == 3
    assert time.monotonic() - started > 1.5


def test_a_shard_of_a_run_that_was_killed_on_this_machine_is_taken_over_at_once(
    request_of_halves: Request, store: Store
) -> None:
    plan, lives = make_plan(request_of_halves), own_name()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        name = lives.replace(f"-{os.getpid()}-", f"-{other.pid}-")
        store.claims.take(plan, [1], name, 60)
        assert not is_dead(name)
        other.kill()
    assert is_dead(name)
    assert not is_dead(lives)
    assert not is_dead(f"elsewhere-{other.pid}-0123456789")
    started = time.monotonic()
    assert run(plan, store).computed == 3
    assert time.monotonic() - started < 30
    assert store.claims.held() == store.claims.workers() == ()


def test_what_another_run_finishes_is_taken_as_it_is(request_of_halves: Request, store: Store, tmp_path: Path) -> None:
    plan, other = make_plan(request_of_halves), Store(tmp_path / "other.db")
    run(plan, other)
    record, number = other.shards(plan)[1], 1
    theirs = [outcome for outcome in other.outcomes(plan) if outcome.index in plan.shards()[number].indices]
    store.claims.take(plan, [number], "slower", 60)
    later = threading.Timer(1, lambda: store.fill(plan, [(record, theirs)]))
    later.start()
    found = run(plan, store)
    later.join()
    assert (found.computed, found.failures) == (2, [])
    assert store.outcomes(plan) == other.outcomes(plan)


def test_images_that_another_run_crafts_are_waited_for(three: list[Plan], store: Store, tmp_path: Path) -> None:
    crafting, other = three[2], Store(tmp_path / "other.db", artifacts=store.artifacts.place)
    run(crafting, other)
    shards = [(record, other.outcomes(crafting)) for record in other.shards(crafting)[:1]]
    first = [outcome for outcome in shards[0][1] if outcome.index in crafting.shards()[0].indices]
    store.claims.take(crafting, [0], "slower", 60)
    later = threading.Timer(1, lambda: store.fill(crafting, [(shards[0][0], first)]))
    later.start()
    found = run(three[0], store)
    later.join()
    assert (found.computed, found.crafted, found.failures) == (3, 2, [])


def test_a_shard_that_fails_is_given_back(request_of_halves: Request, store: Store) -> None:
    plan = make_plan(replace(request_of_halves, defense="tests.plugins:Faulty"))
    assert len(run(plan, store).failures) == 3
    assert store.claims.held() == store.claims.workers() == ()


def test_a_run_says_that_it_lives_and_keeps_what_it_holds(request_of_halves: Request, store: Store) -> None:
    plan = make_plan(request_of_halves)
    with Share(store, seconds=1.0, name="mine") as share:
        assert share.take(plan, 0, lambda: [1, 2])
        time.sleep(1.6)  # longer than a lease
        (claim,) = store.claims.held()
        (worker,) = store.claims.workers()
    assert (claim.worker, claim.shard, worker.name) == ("mine", 0, "mine")
    assert store.claims.held() == store.claims.workers() == ()


def test_short_shards_are_taken_several_at_a_time(request_of_halves: Request, store: Store) -> None:
    plan = make_plan(replace(request_of_halves, shard_size=2))
    numbers = [shard.index for shard in plan.shards()]
    with Share(store) as share:
        held = []
        for number in numbers[:4]:
            assert share.take(plan, number, lambda number=number: numbers[number + 1 :])  # type: ignore[misc]
            held.append(len(store.claims.held()))
    assert held == sorted(held)
    assert held[0] == 1
    assert held[-1] > 4


def test_what_was_taken_in_advance_is_left_to_others_when_shards_turn_slow(
    request_of_halves: Request, store: Store
) -> None:
    plan = make_plan(replace(request_of_halves, shard_size=2))
    numbers = [shard.index for shard in plan.shards()]
    with Share(store, seconds=6.0) as share:
        for number in numbers[:4]:
            assert share.take(plan, number, lambda number=number: numbers[number + 1 :])  # type: ignore[misc]
        assert len(store.claims.held()) > 4
        time.sleep(3.5)  # two beats
        assert [claim.shard for claim in store.claims.held()] == [0, 1, 2, 3]
        assert share.take(plan, 4, list)
