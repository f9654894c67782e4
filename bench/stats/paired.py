"""Two or more defenses on the same samples: what their discordant pairs show, and what they could have shown."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from bench.stats.proportions import CONFIDENCE, Interval, binomial_test

if TYPE_CHECKING:
    from numpy.typing import NDArray

POWER = 0.8
_PRECISION = 1e-5
_NOTHING = 1e-12
_NEGLIGIBLE = 7.0
"""Standard deviations beyond which a binomial count is left out of a sum; what is left out holds less than 1e-9."""


def mcnemar(only_a: int, only_b: int) -> float:
    """The exact two-sided p-value that A and B err equally often, from the samples that only one of them gets right.

    1 where there is no such sample. Raises `ValueError` for negative counts.
    Source: Q. McNemar, Psychometrika 12 (1947); exact as a binomial test on the discordant pairs.
    """
    if min(only_a, only_b) < 0:
        raise ValueError(f"Counts of discordant pairs are not negative; got {only_a} and {only_b}.")
    return binomial_test(only_a, only_a + only_b)


def paired_mean(differences: NDArray[np.float64]) -> float:
    """The two-sided p-value that paired differences (n,) have the mean 0, by the normal approximation; 1 where all are
    0 or there are fewer than 2."""
    n = len(differences)
    if n < 2 or not differences.any():
        return 1.0
    error = float(differences.std(ddof=1)) / math.sqrt(n)
    return 0.0 if error == 0 else math.erfc(abs(float(differences.mean())) / error / math.sqrt(2))


def redrawn_mean(means: Sequence[float], share: float, confidence: float = CONFIDENCE) -> tuple[Interval, float]:
    """The interval and the two-sided p-value of the mean, against 0, of what was measured on k draws of samples, each
    `share` of one finite set without replacement; the draws are the clusters, and Student's t has k - 1 degrees.

    Draws of one set share images, so that they spread less than draws of new ones would: of their variance v the mean's
    is v (1 / k + share / (1 - share)), the second term for what the set itself has of chance. Nothing can be told, and
    the interval is [-1, 1], where every draw is the whole set. Raises `ValueError` for fewer than 2 draws.
    Source: W. G. Cochran, "Sampling Techniques" (1977), chapters 2 and 10.
    """
    k = len(means)
    if k < 2 or not 0 < share <= 1:
        raise ValueError(f"Draws are at least 2, each a share above 0 of one set; got {k} of {share}.")
    mean, variance = float(np.mean(means)), float(np.var(means, ddof=1))
    if share == 1:
        return Interval(-1.0, 1.0), 1.0
    error = math.sqrt(variance * (1 / k + share / (1 - share)))
    if error <= _NOTHING:
        return Interval(mean, mean), 1.0 if abs(mean) <= _NOTHING else 0.0
    from scipy.special import stdtr, stdtrit

    reach = float(stdtrit(k - 1, (1 + confidence) / 2)) * error
    return Interval(max(-1.0, mean - reach), min(1.0, mean + reach)), 2 * float(stdtr(k - 1, -abs(mean) / error))


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """The p-values adjusted for their number, in the given order: reject those of at most 0.05 and one false alarm
    among all of them has a chance of at most 0.05.

    Raises `ValueError` for a value outside [0, 1].
    Source: S. Holm, Scandinavian Journal of Statistics 6 (1979), as step-down adjusted p-values.
    """
    if not all(0 <= p <= 1 for p in p_values):
        raise ValueError(f"P-values lie in [0, 1]; got {list(p_values)}.")
    order = np.argsort(p_values, kind="stable")
    raised = np.minimum(1.0, np.arange(len(order), 0, -1) * np.asarray(p_values)[order])
    adjusted = np.empty(len(order))
    adjusted[order] = np.maximum.accumulate(raised)
    return tuple(adjusted.tolist())


@cache
def smallest_difference(
    n: int, discordant: float, power: float = POWER, confidence: float = CONFIDENCE
) -> float | None:
    """The smallest true difference of two accuracies that `mcnemar` on n samples would show with probability `power`.

    `discordant` is the expected share of samples that exactly one of the two gets right, such as the observed one.
    Given a difference d, the number of discordant pairs is binomial with n and max(discordant, d), of which A gets
    each right with probability (1 + d / max(discordant, d)) / 2; shown means p <= 1 - confidence, in d's direction.
    Power grows with d, so that d is found by bisection, to 1e-5, over exact sums. None where even d = 1 is not shown
    so often (n below 6 at 95 %). Raises `ValueError` for fewer than one sample or shares outside [0, 1].
    """
    if n < 1 or not 0 <= discordant <= 1:
        raise ValueError(f"Power needs n >= 1 and a share of discordant pairs in [0, 1]; got {n} and {discordant}.")
    if not (0 < power < 1 and 0 < confidence < 1):
        raise ValueError(f"Power and confidence lie between 0 and 1; got {power} and {confidence}.")
    low, high = 0.0, 1.0
    if _power(n, discordant, high, 1 - confidence) < power:
        return None
    while high - low > _PRECISION:
        middle = (low + high) / 2
        low, high = (low, middle) if _power(n, discordant, middle, 1 - confidence) >= power else (middle, high)
    return high


def samples_to_show(
    difference: float, variance: float, power: float = POWER, confidence: float = CONFIDENCE
) -> int | None:
    """About how many samples a true mean difference needs to be shown with probability `power`, given the variance of
    a sample's difference; None for a difference of 0.

    The normal approximation of a two-sided test: n = (z_confidence + z_power)^2 variance / difference^2.
    """
    if difference == 0:
        return None
    normal = NormalDist()
    reach = normal.inv_cdf((1 + confidence) / 2) + normal.inv_cdf(power)
    return max(1, math.ceil(reach * reach * variance / (difference * difference)))


def _power(n: int, discordant: float, difference: float, alpha: float) -> float:
    """How often the test shows the difference: a sum over numbers of discordant pairs."""
    from scipy.special import betainc

    share = max(discordant, difference)
    if share == 0:
        return 0.0
    least, most = _likely(n, share)
    pairs = np.arange(least, most + 1)
    critical = np.array([_critical(int(count), alpha) for count in pairs])
    favour = (1 + difference / share) / 2
    shown = betainc(critical, np.maximum(pairs - critical, 0) + 1, favour) * (critical <= pairs)
    return float(_binomial(pairs, n, share) @ shown)


def _likely(trials: int, probability: float) -> tuple[int, int]:
    """The range of counts outside which next to nothing of a binomial lies."""
    spread = _NEGLIGIBLE * math.sqrt(trials * probability * (1 - probability)) + _NEGLIGIBLE
    return max(0, math.floor(trials * probability - spread)), min(trials, math.ceil(trials * probability + spread))


@cache
def _critical(pairs: int, alpha: float) -> int:
    """The fewest of `pairs` discordant pairs that one side must win for p <= alpha; more than all where none do."""
    low, high = pairs // 2, pairs + 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if binomial_test(middle, pairs) <= alpha else (middle, high)
    return high


def _binomial(successes: NDArray[np.int64], trials: int, probability: float) -> NDArray[np.float64]:
    """P(X = successes) of a binomial count."""
    from scipy.special import gammaln, xlog1py, xlogy

    failures = trials - successes
    ways = gammaln(trials + 1) - gammaln(successes + 1) - gammaln(failures + 1)
    density: NDArray[np.float64] = np.exp(ways + xlogy(successes, probability) + xlog1py(failures, -probability))
    return density
