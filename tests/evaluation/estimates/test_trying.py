"""Classifiers that are paced, and attacks that are tried on a few samples."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from bench import Plan, PluginError
from bench.evaluation.estimates.pacing import pace
from bench.evaluation.estimates.trial import Pacing, Trial, Tried
from bench.evaluation.estimates.trying import attempt
from bench.evaluation.requests.planning import make_plan
from bench.evaluation.requests.request import Request
from bench.evaluation.running.archive import Archive
from bench.loading.classifiers import Shelf


def ignore(done: float, total: float, note: str = "") -> None:
    """Nobody looks."""


def pacing(plan: Plan) -> Pacing:
    with Archive(None) as archive:
        images, _ = archive.arrays(plan, plan.shards()[0].indices)
        return Pacing(plan.defense, archive.task(plan), images, 2.0)


def tried(plan: Plan, seconds: float = 20.0, first: int = 2) -> Tried:
    shard = plan.shards()[0]
    with Archive(None) as archive:
        images, labels = archive.arrays(plan, shard.indices)
        job = Trial(plan, shard, archive.task(plan), images, labels, first, seconds)
    return attempt(job, Shelf("cpu"), ignore)


def test_a_linear_layer_s_passes_and_operations_are_known(request_of_halves: Request) -> None:
    found = pace(pacing(make_plan(request_of_halves)), Shelf("cpu"), ignore)
    assert found.flop == found.flop_backward == 2 * 16 * 2
    assert [size for size, _ in found.forward] == [size for size, _ in found.backward] == [2, 16]
    assert found.deterministic
    assert all(seconds > 0 for _, seconds in found.forward)


def test_a_classifier_without_a_gradient_is_paced_forward_alone(request_of_halves: Request) -> None:
    plan = make_plan(
        replace(request_of_halves, defense="tests.plugins:Rounded", defense_settings={"has_stand_in": "no"})
    )
    found = pace(pacing(plan), Shelf("cpu"), ignore)
    assert (found.backward, found.flop_backward) == ((), 0)


def test_a_broken_classifier_is_named(request_of_halves: Request) -> None:
    plan = make_plan(replace(request_of_halves, defense="tests.plugins:Faulty"))
    with pytest.raises(PluginError, match="bad layer"):
        pace(pacing(plan), Shelf("cpu"), ignore)


def test_a_quick_attack_is_tried_on_the_whole_shard(request_of_halves: Request) -> None:
    found = tried(make_plan(replace(request_of_halves, attack_settings={"steps": "10"})))
    assert (found.samples, found.share) == (16, 1.0)
    assert (found.forwards, found.backwards, found.queries, found.gradients) == (160, 160, 10, 10)


def test_a_run_is_not_made_on_more_samples_than_there_is_time_for(request_of_halves: Request) -> None:
    plan = make_plan(replace(request_of_halves, attack="tests.plugins:Still", attack_settings={"seconds": "0.5"}))
    assert tried(plan, seconds=1.0).samples == 2


def test_an_attack_without_an_end_is_stopped_and_says_how_far_it_was(request_of_halves: Request) -> None:
    wanted = replace(request_of_halves, attack="tests.evaluation.lasting:Lasting", attack_settings={"of": "1000000000"})
    found = tried(make_plan(wanted), seconds=0.3)
    assert 0 < found.share < 1
    assert found.queries == pytest.approx(1e9 * found.share, abs=1)
    share, passes = found.half
    assert found.share / 2 <= share <= found.share
    assert passes == pytest.approx(2 * 1e9 * share)


def test_an_attack_that_says_nothing_is_given_more_time_and_then_stopped(request_of_halves: Request) -> None:
    found = tried(make_plan(replace(request_of_halves, attack="tests.evaluation.lasting:Lasting")), seconds=0.2)
    assert found.share == 0
    assert 0.6 <= found.seconds < 5


def test_the_plan_s_own_limit_of_passes_ends_a_trial_too(request_of_halves: Request) -> None:
    plan = make_plan(replace(request_of_halves, attack="tests.evaluation.lasting:Lasting", passes=5))
    found = tried(plan)
    assert (found.samples, found.share, found.forwards) == (16, 1.0, 80)


def test_a_proof_s_votes_are_known_and_some_of_them_are_timed(request_of_halves: Request) -> None:
    settings = {"n0": "10", "n": "1000"}
    wanted = replace(
        request_of_halves,
        defense="tests.plugins:Smooth",
        attack="certify-l2",
        attack_settings=settings,
        epsilon=Fraction(1, 4),
    )
    found = tried(make_plan(wanted))
    assert (found.samples, found.forwards, found.backwards) == (1, 1010, 0)
    assert found.flop == 2 * 16 * 2
