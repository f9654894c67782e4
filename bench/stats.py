"""Intervals for proportions; numbers in, numbers out."""

from __future__ import annotations

import math
from dataclasses import dataclass
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


def wilson(successes: float, n: int, confidence: float = CONFIDENCE) -> Interval:
    """The Wilson score interval of a proportion, for `successes` in [0, n], whole or fractional.

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
