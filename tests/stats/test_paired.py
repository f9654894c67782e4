"""McNemar, Holm and power against closed forms, scipy, brute force and simulation."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, binomtest, ttest_1samp

from bench.stats import Interval, holm, mcnemar, redrawn_mean, smallest_difference

COUNTS = st.integers(0, 2000)
P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=7)


@given(COUNTS, COUNTS)
def test_mcnemar_is_the_exact_binomial_test_of_the_discordant_pairs(only_a: int, only_b: int) -> None:
    pairs = only_a + only_b
    expected = binomtest(only_a, pairs).pvalue if pairs else 1.0
    assert mcnemar(only_a, only_b) == pytest.approx(expected, rel=1e-7)
    assert mcnemar(only_a, only_b) == mcnemar(only_b, only_a)


def test_mcnemar_has_its_closed_form_where_one_side_wins_every_pair() -> None:
    assert mcnemar(0, 6) == pytest.approx(2 / 64, rel=1e-12)
    assert mcnemar(0, 0) == 1.0
    with pytest.raises(ValueError, match="not negative"):
        mcnemar(-1, 2)


def test_holm_gives_the_adjusted_values_worked_out_by_hand() -> None:
    # in order: 4 x 0.005, 3 x 0.01, 2 x 0.03, then 1 x 0.04 < 0.06, which may not fall below its predecessor
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx((0.03, 0.06, 0.06, 0.02), rel=1e-12)
    assert holm([0.6, 0.7]) == (1.0, 1.0)
    assert holm([]) == ()


@given(P_VALUES)
def test_holm_rejects_exactly_what_the_closed_test_of_bonferroni_rejects(p_values: list[float]) -> None:
    """A hypothesis falls with every set that holds it; a set of m falls where its least p is at most alpha / m."""
    places = range(len(p_values))
    sets = [chosen for size in range(1, len(p_values) + 1) for chosen in combinations(places, size)]
    expected = [
        max(min(1.0, len(chosen) * min(p_values[i] for i in chosen)) for chosen in sets if place in chosen)
        for place in places
    ]
    assert holm(p_values) == pytest.approx(expected, rel=1e-12)


def test_holm_refuses_what_is_no_probability() -> None:
    for wrong in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match="P-values"):
            holm([0.5, wrong])


def exact_power(n: int, discordant: float, difference: float) -> float:
    """The same sum, term by term with scipy."""
    share = max(discordant, difference)
    total = 0.0
    for pairs in range(1, n + 1):
        wins = [
            won for won in range(pairs // 2, pairs + 1) if binomtest(won, pairs, alternative="greater").pvalue <= 0.025
        ]
        if wins:
            total += binom.pmf(pairs, n, share) * binom.sf(wins[0] - 1, pairs, (1 + difference / share) / 2)
    return total


@pytest.mark.parametrize(("n", "discordant"), [(40, 0.5), (60, 0.2), (25, 0.0), (30, 1.0)])
def test_the_smallest_difference_has_the_power_asked_for_and_a_smaller_one_has_not(n: int, discordant: float) -> None:
    found = smallest_difference(n, discordant)
    assert found is not None
    assert exact_power(n, discordant, found) >= 0.8 - 1e-6
    assert exact_power(n, discordant, found - 2e-5) < 0.8


def test_simulated_comparisons_show_the_smallest_difference_in_four_of_five() -> None:
    n, discordant = 1024, 0.1
    difference = smallest_difference(n, discordant)
    assert difference is not None
    generator = np.random.default_rng(5)
    shares = [(discordant + difference) / 2, (discordant - difference) / 2, 1 - discordant]
    pairs = generator.multinomial(n, shares, size=4000)
    shown = np.mean([mcnemar(int(a), int(b)) <= 0.05 and a > b for a, b, _ in pairs])
    assert shown == pytest.approx(0.8, abs=0.02)  # three standard errors


def test_1024_samples_show_about_three_points_where_a_tenth_is_discordant() -> None:
    normal = (1.959964 * np.sqrt(0.1) + 0.841621 * np.sqrt(0.1 - 0.028**2)) / np.sqrt(1024)
    assert smallest_difference(1024, 0.1) == pytest.approx(normal, rel=0.04)


def test_more_samples_and_less_discord_show_smaller_differences() -> None:
    by_samples = [smallest_difference(n, 0.1) or 1.0 for n in (64, 256, 1024)]
    by_discord = [smallest_difference(256, share) or 1.0 for share in (0.0, 0.1, 0.5, 1.0)]
    assert by_samples == sorted(by_samples, reverse=True)
    assert by_discord == sorted(by_discord)


def test_without_discord_one_side_must_win_six_pairs() -> None:
    found = smallest_difference(1024, 0.0)
    assert found is not None
    assert binom.sf(5, 1024, found) == pytest.approx(0.8, abs=1e-3)


def test_five_samples_show_nothing() -> None:
    assert smallest_difference(5, 0.5) is None
    assert smallest_difference(6, 0.5) is not None


def test_impossible_designs_are_refused() -> None:
    with pytest.raises(ValueError, match="n >= 1"):
        smallest_difference(0, 0.1)
    with pytest.raises(ValueError, match="in \\[0, 1\\]"):
        smallest_difference(10, 1.1)
    with pytest.raises(ValueError, match="between 0 and 1"):
        smallest_difference(10, 0.1, power=1.0)


def test_the_mean_of_draws_of_a_large_set_is_students_t() -> None:
    means = [0.02, 0.05, -0.01, 0.03, 0.04]
    interval, p = redrawn_mean(means, 1e-12)
    expected = ttest_1samp(means, 0.0)
    assert p == pytest.approx(expected.pvalue, rel=1e-9)
    low, high = expected.confidence_interval()
    assert (interval.low, interval.high) == pytest.approx((low, high), rel=1e-9)


def test_the_mean_of_draws_that_share_images_is_covered_as_often_as_is_said() -> None:
    random = np.random.default_rng(0)
    covered, narrow, times = 0, 0, 800
    for _ in range(times):
        population = (random.random(400) < 0.3).astype(float) - (random.random(400) < 0.3)
        means = [float(random.choice(population, 160, replace=False).mean()) for _ in range(5)]
        interval, _ = redrawn_mean(means, 0.4)
        covered += interval.low <= 0 <= interval.high
        unaware, _ = redrawn_mean(means, 1e-12)
        narrow += unaware.low <= 0 <= unaware.high
    assert 0.93 <= covered / times <= 0.97
    assert narrow / times < 0.85


def test_draws_of_a_whole_set_and_draws_without_spread() -> None:
    assert redrawn_mean([0.1, 0.1], 1.0) == (Interval(-1.0, 1.0), 1.0)
    assert redrawn_mean([0.0, 0.0, 0.0], 0.1) == (Interval(0.0, 0.0), 1.0)
    assert redrawn_mean([0.1, 0.1, 0.1], 0.1)[1] == 0.0
    with pytest.raises(ValueError, match="at least 2"):
        redrawn_mean([0.1], 0.1)
