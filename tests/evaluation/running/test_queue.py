from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from bench import Plan, Store
from bench.evaluation.evaluate import evaluate, evaluate_all
from bench.evaluation.requests.planning import make_plan
from bench.evaluation.requests.request import Request
from bench.evaluation.running.archive import Archive
from bench.evaluation.running.crew import Crew
from bench.evaluation.running.run import Evaluation, Site
from bench.executors.worker import ENDED
from tests.evaluation.observers import Memory

BACK_OF_A_PLAN = 20
"""A sample of the second of three shards."""


def evaluated(plans: list[Plan], store: Store, workers: int = 1) -> list[Evaluation]:
    """The evaluations of plans that share a queue, in the order of the plans."""
    with Crew(lambda: "cpu", workers) as crew, Archive(None) as archive:
        ended = dict(evaluate_all(Site(crew, archive, store, Memory()), plans))
    return [ended[position] for position in range(len(plans))]


def unruly(request: Request, **settings: object) -> Plan:
    image = make_plan(request).indices[BACK_OF_A_PLAN]
    settings = {"image": image, **settings}
    return make_plan(replace(request, attack="tests.evaluation.unruly:Unruly", attack_settings=settings))


@pytest.fixture
def three(request_of_halves: Request) -> list[Plan]:
    """Two transfers, and the plan that crafts for both."""
    named = {"source": "tests.plugins:Hyperplane"}
    judged = [replace(request_of_halves, defense=f"tests.plugins:{name}", **named) for name in ("Rounded", "Greedy")]
    return [*map(make_plan, judged), make_plan(request_of_halves)]


def test_plans_of_one_call_share_one_crafting_and_one_judging_of_untouched_images(
    three: list[Plan], store: Store
) -> None:
    found = evaluated([*three, three[0]], store, workers=2)
    assert [(each.computed, each.crafted) for each in found] == [(3, 0), (3, 0), (3, 0), (0, 0)]
    assert len({tuple(shard.perturbed_sha256 for shard in store.shards(plan)) for plan in three}) == 1
    assert len(store.shards(three[2].untouched())) == 3
    assert not store.conflicts()


def test_plans_come_out_the_same_side_by_side_and_one_after_another(
    three: list[Plan], store: Store, tmp_path: Path
) -> None:
    other = Store(tmp_path / "other.db")
    evaluated(three, store, workers=2)
    for plan in reversed(three):
        evaluate(plan, other, Memory(), lambda: "cpu", workers=1)
    for plan in (*three, *(plan.untouched() for plan in three)):
        assert store.outcomes(plan) == other.outcomes(plan) != ()
        assert [s.perturbed_sha256 for s in store.shards(plan)] == [s.perturbed_sha256 for s in other.shards(plan)]


def test_untouched_images_that_are_asked_for_by_themselves_are_judged_once(
    request_of_halves: Request, store: Store
) -> None:
    attacked = [make_plan(replace(request_of_halves, attack=name)) for name in ("fgsm-linf", "pgd-linf")]
    plain = make_plan(replace(request_of_halves, attack="none"))
    found = evaluated([*attacked, plain], store, workers=2)
    assert [each.failures for each in found] == [[], [], []]
    assert len(store.shards(plain)) == 3
    assert [outcome.clean for outcome in store.outcomes(attacked[1])] == [o.clean for o in store.outcomes(plain)]


def test_a_plan_that_fails_stops_no_other(request_of_halves: Request, three: list[Plan], store: Store) -> None:
    broken = make_plan(replace(request_of_halves, defense="tests.plugins:Rounded", source="tests.plugins:Faulty"))
    found = evaluated([broken, *three], store)
    assert [len(each.failures) for each in found] == [3, 0, 0, 0]
    assert [each.computed for each in found] == [0, 3, 3, 3]


def test_a_worker_that_dies_is_replaced_and_its_shard_tried_again(
    request_of_halves: Request, store: Store, tmp_path: Path
) -> None:
    plan = unruly(request_of_halves, file=str(tmp_path / "deaths"), times=2)
    found = evaluate(plan, store, Memory(), lambda: "cpu", workers=1)
    assert (found.computed, found.failures) == (3, [])
    assert (tmp_path / "deaths").read_text() == ".."


def test_a_shard_that_always_kills_its_worker_is_given_up(
    request_of_halves: Request, store: Store, tmp_path: Path
) -> None:
    plan = unruly(request_of_halves, file=str(tmp_path / "deaths"), times=9)
    found = evaluate(plan, store, Memory(), lambda: "cpu", workers=1)
    assert [(failure.shard, failure.sentence.partition(" (")[0]) for failure in found.failures] == [(1, ENDED)]
    assert (tmp_path / "deaths").read_text() == "..."


def test_a_shard_that_takes_too_long_is_given_up_and_the_others_go_on(request_of_halves: Request, store: Store) -> None:
    plan = unruly(request_of_halves, how="sleep")
    evaluate(make_plan(request_of_halves), store, Memory(), lambda: "cpu", workers=1)  # what all shards need is read
    found = evaluate(plan, store, Memory(), lambda: "cpu", workers=1, shard_timeout=5)
    assert [failure.shard for failure in found.failures] == [1]
    assert "--shard-timeout" in found.failures[0].sentence
    assert found.computed == 2


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="this system has no process groups")
def test_what_a_plugin_has_started_ends_with_its_worker(
    request_of_halves: Request, store: Store, tmp_path: Path
) -> None:
    plan = unruly(request_of_halves, how="child", file=str(tmp_path / "child"))
    evaluate(plan, store, Memory(), lambda: "cpu", workers=1)
    child = int((tmp_path / "child").read_text())
    until = time.monotonic() + 10
    while is_running(child) and time.monotonic() < until:
        time.sleep(0.05)
    assert not is_running(child)


def is_running(process: int) -> bool:
    """Whether a process is there and no mere entry of one that has ended."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
