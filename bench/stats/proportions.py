"""Proportions of samples: their intervals, exact tests and bounds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from statistics import NormalDist

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Interval:
    """A closed range of proportions that covers the true one with the stated confidence."""

    low: float
    high: float


@dataclass(frozen=True)
class Proportion:
    """A share of `n` samples. `successes` is fractional where a random defense's samples count by their mean."""

    successes: float
    n: int

    @property
    def rate(self) -> float:
        """The share in [0, 1]."""
        return self.successes / self.n

    @property
    def interval(self) -> Interval:
        """Its 95 % Wilson interval over samples; draws of one sample are never counted as further samples."""
        return wilson(self.successes, self.n)


def wilson(successes: float, n: float, confidence: float = CONFIDENCE) -> Interval:
    """The Wilson score interval of a proportion, for `successes` in [0, n]; both may be fractional.

    Raises `ValueError` for fewer than one sample, successes outside [0, n] or a confidence outside (0, 1).
    Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927).
    """
    if n < 1 or not 0 <= successes <= n:
        raise ValueError(f"A proportion needs 0 <= successes <= n and n >= 1; got {successes} of {n}.")
    if not 0 < confidence < 1:
        raise ValueError(f"A confidence lies between 0 and 1; got {confidence}.")
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    rate = successes / n
    centre = (rate + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(rate * (1 - rate) / n + z * z / (4 * n * n))
    # At the ends the formula gives exactly 0 and 1; rounding would leave 1e-19 and 1 - 1e-16.
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    high = 1.0 if successes == n else min(1.0, centre + half)
    return Interval(low, high)


def binomial_test(successes: int, n: int, probability: float = 0.5) -> float:
    """The exact two-sided p-value of `successes` in `n` tosses of a coin, a fair one by default; 1 for no toss at all.

    Raises `ValueError` for successes outside [0, n].
    """
    _check_counts(successes, n)
    if probability != 0.5:
        from scipy.stats import binomtest

        return float(binomtest(successes, n, probability).pvalue) if n else 1.0
    from scipy.special import betainc

    larger = max(successes, n - successes)
    # P(X >= larger), twice; scipy.stats would compute the same, but takes a second to be imported
    return 1.0 if 2 * larger == n else min(1.0, 2 * float(betainc(larger, n - larger + 1, 0.5)))


@cache
def clopper_pearson(successes: int, n: int, alpha: float) -> float:
    """The one-sided lower bound of a probability, wrong with probability at most `alpha`, after `successes` in `n`.

    The root p of P(X >= successes | n, p) = alpha, a quantile of a beta distribution. Raises `ValueError` for successes
    outside [0, n] or an alpha outside (0, 1).
    Source: C. J. Clopper and E. S. Pearson, Biometrika 26 (1934).
    """
    _check_counts(successes, n)
    if not 0 < alpha < 1:
        raise ValueError(f"An error probability lies between 0 and 1; got {alpha}.")
    from scipy.special import betaincinv

    return float(betaincinv(successes, n - successes + 1, alpha)) if successes else 0.0


def clopper_pearson_interval(successes: int, n: int, confidence: float = CONFIDENCE) -> Interval:
    """The exact two-sided interval of a proportion; for counts so near 0 or n that Wilson's is too short.

    Raises `ValueError` and source as `clopper_pearson`.
    """
    alpha = (1 - confidence) / 2
    return Interval(clopper_pearson(successes, n, alpha), 1 - clopper_pearson(n - successes, n, alpha))


def _check_counts(successes: int, n: int) -> None:
    if not 0 <= successes <= n:
        raise ValueError(f"A count needs 0 <= successes <= n; got {successes} of {n}.")
