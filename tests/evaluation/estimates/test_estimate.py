"""What shards take, in closed form."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bench.evaluation.estimates.estimate import Demand, Estimate, Line, checking, judging, makespan, whole
from bench.evaluation.estimates.trial import Pace, Tried
from bench.evaluation.running.precedent import Precedent
from bench.evaluation.shard.hearing import portions

PACE = Pace(
    deterministic=True,
    forward=((2, 1.2), (12, 2.2)),
    backward=((2, 2.4), (12, 4.4)),
    flop=10.0,
    flop_backward=20.0,
    peak_memory=1,
    seconds=9.0,
    device="a machine",
)
"""A call takes a second and an image a tenth; with a gradient twice that besides."""
PGD = Tried(samples=4, forwards=160, backwards=160, queries=40, gradients=40, seconds=168.0, peak_memory=1)
"""40 steps, which took what their passes take: 40 (1 + 0.4) + 40 (2 + 0.8)."""


def test_two_batches_say_what_a_call_and_what_an_image_takes() -> None:
    line = Line.through(PACE.forward)
    assert (line.call, line.image) == pytest.approx((1.0, 0.1))
    assert line(128) == pytest.approx(13.8)
    assert line(100, calls=3) == pytest.approx(13.0)


@pytest.mark.parametrize("points", [((4, 2.0),), ((2, 3.0), (4, 2.0)), ((2, 0.1), (4, 2.0))])
def test_a_line_that_would_fall_or_begin_below_nothing_goes_through_the_largest_batch_alone(
    points: tuple[tuple[int, float], ...],
) -> None:
    assert Line.through(points) == Line(0.0, 0.5)
    assert Line.through(()) == Line(0.0, 0.0)


def test_what_an_attack_asked_on_a_few_samples_it_asks_of_every_sample_in_as_many_calls() -> None:
    demand = Demand.tried(PGD, PACE)
    assert (demand.forwards, demand.backwards, demand.calls, demand.gradients) == (40, 40, 40, 40)
    assert (demand.own, demand.slowness, demand.certainty) == (pytest.approx(0), pytest.approx(1), "measured")
    assert demand.seconds(PACE, 128) == pytest.approx(40 * (1 + 12.8) + 40 * (2 + 25.6))


def test_an_attack_s_own_work_goes_with_its_calls() -> None:
    slow = Demand.tried(replace(PGD, seconds=208.0), PACE)
    assert slow.own == pytest.approx(1.0)
    assert slow.seconds(PACE, 128) == pytest.approx(40 + Demand.tried(PGD, PACE).seconds(PACE, 128))
    quick = Demand.tried(replace(PGD, seconds=84.0), PACE)
    assert quick.seconds(PACE, 128) == pytest.approx(Demand.tried(PGD, PACE).seconds(PACE, 128) / 2)


def test_a_stopped_attack_goes_on_as_in_the_later_half_of_what_it_did() -> None:
    steady = replace(PGD, share=0.25, told=320, half=(0.125, 160))
    assert whole(steady) == pytest.approx(4)
    assert Demand.tried(steady, PACE).forwards == pytest.approx(160)
    falling = replace(PGD, share=0.2, told=320, half=(0.1, 280))
    assert whole(falling) == pytest.approx(1 + 0.8 * (40 / 0.1) / 320)
    assert Demand.tried(falling, PACE).certainty == "extrapolated"
    early = replace(PGD, share=0.1, told=32, half=(0.1, 32))
    assert whole(early) == pytest.approx(1)


def test_an_attack_that_said_nothing_takes_at_least_what_was_seen() -> None:
    demand = Demand.tried(replace(PGD, share=0.0), PACE)
    assert (demand.forwards, demand.certainty) == (40, "at least")
    assert "nobody knows" in demand.basis


def test_no_more_passes_are_expected_than_are_allowed() -> None:
    stopped = replace(PGD, share=0.1, told=320, half=(0.05, 160))
    demand = Demand.tried(stopped, PACE, most=200)
    assert demand.forwards + demand.backwards == pytest.approx(200)


def test_an_attack_that_asks_nothing_takes_its_own_time_a_sample() -> None:
    demand = Demand.tried(Tried(4, 0, 0, 0, 0, seconds=2.0, peak_memory=1), PACE)
    assert demand.seconds(PACE, 16) == pytest.approx(8.0)
    assert checking(PACE, 16, demand) == 0


def test_the_store_s_word_is_taken_for_whole_batches() -> None:
    demand = Demand.known(Precedent(256, 40.0, 20.0, 1, 0, None))
    assert demand.seconds(PACE, 128) == pytest.approx(40 * 13.8 + 20 * 27.6)
    assert demand.basis == "measured on 256 samples in the store"


def test_a_judge_is_asked_in_portions_once_a_draw_and_some_of_it_again() -> None:
    line = Line.through(PACE.forward)
    once = sum(line(end - start) for start, end in portions(128))
    assert judging(PACE, 128, draws=5, times=1, whole=False, rows=8) == pytest.approx(once + line(8))
    random = replace(PACE, deterministic=False)
    assert judging(random, 128, draws=5, times=2, whole=False, rows=8) == pytest.approx(2 * (5 * once + line(8)))
    assert judging(random, 128, draws=1, times=1, whole=True, rows=8) == pytest.approx(2 * line(128))


def test_shards_go_to_the_first_worker_that_is_free() -> None:
    assert makespan([1.0] * 8, 2) == 4.0
    assert makespan([1.0] * 3, 2) == 2.0
    assert makespan([5.0, 1.0, 1.0, 1.0], 2) == 5.0
    assert makespan([], 4) == 0.0


def test_passes_times_their_seconds_are_the_work() -> None:
    found = Estimate(
        samples=256,
        forwards=40,
        backwards=40,
        judged=2,
        flop=1.0,
        peak_memory=1,
        seconds=[10.0, 12.0],
        loading=3.0,
        basis="tried",
    )
    assert found.seconds_a_pass * 256 * 82 == pytest.approx(22.0)
    assert found.lasts(2) == 15.0
    assert found.lasts(1) == 25.0
