"""Bootstrap and clustered intervals: against Wilson, the normal approximation, and their coverage by simulation."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.stats import bootstrap_difference, bootstrap_mean, clustered_interval, wilson


@given(st.integers(1, 300).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_a_clustered_interval_of_single_verdicts_is_wilsons(case: tuple[int, int]) -> None:
    successes, n = case
    found = clustered_interval([1.0] * successes + [0.0] * (n - successes))
    expected = wilson(successes, n)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_seeds_that_agree_narrow_nothing_and_seeds_that_differ_narrow_the_interval() -> None:
    generator = np.random.default_rng(1)
    right = (generator.random((500, 1)) < 0.5) * np.ones((1, 5))
    single, agreeing = clustered_interval(right[:, 0]), clustered_interval(right.mean(1))
    differing = clustered_interval((generator.random((500, 5)) < 0.5).mean(1))
    assert agreeing == single
    assert differing.high - differing.low < 0.6 * (single.high - single.low)


def test_clustered_intervals_cover_the_mean_of_samples_that_differ_in_difficulty() -> None:
    generator = np.random.default_rng(2)
    covered = 0
    for _ in range(1000):
        chances = generator.beta(0.4, 0.1, size=200)  # mean 0.8, most samples easy or hard
        found = clustered_interval(generator.binomial(5, chances) / 5)
        covered += found.low <= 0.8 <= found.high
    assert 0.93 <= covered / 1000 <= 0.97


def test_clustered_intervals_refuse_what_is_no_share() -> None:
    for wrong in ([], [0.5, 1.5], [float("nan")], [[0.5]]):
        with pytest.raises(ValueError, match="Shares"):
            clustered_interval(wrong)  # type: ignore[arg-type]
    assert clustered_interval([0.5] * 20) == wilson(10, 20)


def test_a_bootstrap_interval_is_close_to_the_normal_one_in_both_ways_of_drawing() -> None:
    generator = np.random.default_rng(3)
    for values in (generator.random((1024, 5)) < 0.3, generator.random((1024, 3))):
        means = values.mean(1)
        half = 1.959964 * means.std() / np.sqrt(1024)
        found = bootstrap_mean(values)
        assert found.low == pytest.approx(means.mean() - half, abs=half / 15)
        assert found.high == pytest.approx(means.mean() + half, abs=half / 15)


def test_a_bootstrap_is_of_the_seed_and_not_of_the_samples_order() -> None:
    values = np.random.default_rng(4).random(300)
    first = bootstrap_mean(values, seed=1)
    assert bootstrap_mean(values, seed=1) == first
    assert bootstrap_mean(values[::-1], seed=1) == first
    assert bootstrap_mean(values, seed=2) != first


def test_repeating_a_seed_does_not_narrow_the_interval() -> None:
    values = np.random.default_rng(5).random((200, 1)) < 0.5
    assert bootstrap_mean(np.repeat(values, 10, axis=1)) == bootstrap_mean(values)


def test_a_difference_is_resampled_in_pairs() -> None:
    generator = np.random.default_rng(6)
    hard = generator.random(1000) < 0.5
    worse = hard & (generator.random(1000) < 0.9)
    paired = bootstrap_difference(hard, worse)
    assert 0 < paired.low < (hard.mean() - worse.mean()) < paired.high
    assert paired.high - paired.low < 0.05  # unpaired it would be 0.087
    opposite = bootstrap_difference(worse, hard)
    assert (opposite.low, opposite.high) == pytest.approx((-paired.high, -paired.low), abs=2e-3)


def test_bootstrap_differences_cover_the_true_one_with_seeds_as_clusters() -> None:
    generator = np.random.default_rng(7)
    covered = 0
    for repetition in range(600):
        chances = generator.beta(0.5, 0.5, size=150)  # mean 1/2
        first = generator.random((150, 3)) < chances[:, None]
        second = generator.random((150, 2)) < 0.8 * chances[:, None]
        found = bootstrap_difference(first, second, seed=repetition, resamples=1000)
        covered += found.low <= 0.1 <= found.high
    assert 0.92 <= covered / 600 <= 0.97


def test_memory_stays_bounded_however_many_samples_there_are() -> None:
    values = np.random.default_rng(8).random(20_000)
    tracemalloc.start()
    bootstrap_mean(values, resamples=200)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 30e6


def test_values_that_cannot_be_resampled_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        bootstrap_mean([])
    with pytest.raises(ValueError, match="at least one"):
        bootstrap_mean(np.zeros((2, 2, 2)))
    with pytest.raises(ValueError, match="same samples"):
        bootstrap_difference([1.0, 0.0], [1.0])
