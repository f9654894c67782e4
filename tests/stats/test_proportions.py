"""Wilson intervals, exact tests and bounds against closed forms, the figures of the literature, and scipy."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta, binomtest

from bench.stats import Proportion, binomial_test, clopper_pearson, clopper_pearson_interval, wilson


@pytest.mark.parametrize(
    ("successes", "low", "high"), [(0, 0.0, 0.37), (102, 8.27, 11.95), (512, 46.94, 53.06), (1024, 99.63, 100.0)]
)
def test_wilson_at_1024_samples_gives_the_known_percentages(successes: int, low: float, high: float) -> None:
    interval = wilson(successes, 1024)
    assert (round(100 * interval.low, 2), round(100 * interval.high, 2)) == (low, high)


def test_no_success_has_the_closed_form_upper_end_and_exactly_zero_below() -> None:
    z = 1.959963984540054
    interval = wilson(0, 50)
    assert interval.low == 0.0
    assert interval.high == pytest.approx(z * z / (50 + z * z), rel=1e-12)


def test_all_successes_mirror_none() -> None:
    interval = wilson(50, 50)
    assert interval.low == pytest.approx(1 - wilson(0, 50).high, rel=1e-12)
    assert interval.high == 1.0


@given(st.integers(1, 20_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.floats(0.5, 0.999))
def test_wilson_agrees_with_scipy(case: tuple[int, int], confidence: float) -> None:
    successes, n = case
    expected = binomtest(successes, n).proportion_ci(confidence_level=confidence, method="wilson")
    found = wilson(successes, n, confidence)
    assert found.low == pytest.approx(expected.low, abs=1e-12)
    assert found.high == pytest.approx(expected.high, abs=1e-12)


@given(st.integers(1, 5000), st.floats(0, 1))
def test_an_interval_holds_its_rate_also_for_fractional_successes(n: int, share: float) -> None:
    found = wilson(share * n, n)
    assert 0 <= found.low <= share + 1e-12
    assert share - 1e-12 <= found.high <= 1


def test_a_proportion_carries_its_rate_and_interval() -> None:
    share = Proportion(512.5, 1024)
    assert share.rate == 512.5 / 1024
    assert share.interval == wilson(512.5, 1024)


@pytest.mark.parametrize(("successes", "n"), [(1, 0), (-1, 10), (11, 10), (float("nan"), 10)])
def test_impossible_counts_are_refused(successes: float, n: int) -> None:
    with pytest.raises(ValueError, match="successes"):
        wilson(successes, n)


def test_an_impossible_confidence_is_refused() -> None:
    with pytest.raises(ValueError, match="confidence"):
        wilson(1, 2, 1.0)


COUNTS = st.integers(1, 100_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@given(COUNTS)
def test_the_binomial_test_agrees_with_scipy(case: tuple[int, int]) -> None:
    assert binomial_test(*case) == pytest.approx(binomtest(*case).pvalue, rel=1e-7, abs=1e-200)


@given(COUNTS)
def test_the_interval_of_clopper_and_pearson_agrees_with_scipy(case: tuple[int, int]) -> None:
    successes, n = case
    expected = binomtest(successes, n).proportion_ci(method="exact")
    found = clopper_pearson_interval(successes, n)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), rel=1e-9)


@given(COUNTS, st.sampled_from([1e-6, 0.001, 0.05, 0.5, 0.95]))
def test_the_lower_bound_of_clopper_and_pearson_agrees_with_scipy(case: tuple[int, int], alpha: float) -> None:
    successes, n = case
    expected = beta.ppf(alpha, successes, n - successes + 1) if successes else 0.0
    assert clopper_pearson(successes, n, alpha) == pytest.approx(expected, rel=1e-9)


def test_bounds_and_tests_at_the_ends_have_their_closed_forms() -> None:
    assert clopper_pearson(0, 10, 0.05) == 0
    assert clopper_pearson(100_000, 100_000, 0.001) == pytest.approx(0.001 ** (1 / 100_000), rel=1e-12)
    assert binomial_test(10, 10) == pytest.approx(2 / 1024, rel=1e-12)
    assert binomial_test(0, 0) == binomial_test(5, 10) == 1


def test_impossible_counts_and_error_probabilities_are_refused() -> None:
    with pytest.raises(ValueError, match="0 <= successes <= n"):
        binomial_test(3, 2)
    with pytest.raises(ValueError, match="0 <= successes <= n"):
        clopper_pearson(-1, 2, 0.1)
    with pytest.raises(ValueError, match="error probability"):
        clopper_pearson(1, 2, 1.0)
