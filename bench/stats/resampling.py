"""Intervals of means over samples that carry several values each; samples are the clusters, never their values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from bench.stats.proportions import CONFIDENCE, Interval, wilson

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Values = Sequence[float] | Sequence[Sequence[float]] | NDArray[np.floating]

RESAMPLES = 10_000
_CELLS = 1_000_000
"""Samples drawn at once: 8 MB."""
_FEW = 32
"""Up to so many different values, drawing how often each occurs is faster than drawing the samples."""


def clustered_interval(values: Sequence[float] | NDArray[np.floating], confidence: float = CONFIDENCE) -> Interval:
    """The interval of the mean of per-sample shares (N,) in [0, 1], such as shares of right draws or of seeds.

    Wilson's interval with the effective number of samples N p (1 - p) / variance(shares), which is N itself where the
    shares are 0 and 1, and more where seeds average their own noise away; where all shares are equal, it is N.
    Raises `ValueError` for no sample or a share outside [0, 1].
    Source: L. Kish, "Survey Sampling" (1965), for the effective size; E. B. Wilson (1927).
    """
    shares = np.asarray(values, dtype=np.float64)
    if shares.ndim != 1 or not len(shares) or not ((shares >= 0) & (shares <= 1)).all():
        raise ValueError(f"Shares of samples lie in [0, 1], one a sample and at least one; got {shares.shape}.")
    mean, variance = float(shares.mean()), float(shares.var())
    if variance <= 1e-15:
        return wilson(mean * len(shares), len(shares), confidence)
    effective = max(float(len(shares)), len(shares) * mean * (1 - mean) / variance)
    return wilson(mean * effective, effective, confidence)


def bootstrap_mean(
    values: Values, seed: int = 0, resamples: int = RESAMPLES, confidence: float = CONFIDENCE
) -> Interval:
    """The percentile bootstrap interval of the mean of values (N,) or (N, R): R of each sample, resampled together.

    N samples are drawn with replacement, `resamples` times, by PCG64 from `seed`. Where their means take few values,
    only how often each occurs in a resample is drawn, which is multinomial: the same distribution at a fraction of the
    cost. The interval does not depend on the samples' order. Raises `ValueError` for no value.
    Source: B. Efron and R. J. Tibshirani, "An Introduction to the Bootstrap" (1993), chapter 13.
    """
    return _percentile(_sample_means(values), seed, resamples, confidence)


def bootstrap_difference(
    first: Values, second: Values, seed: int = 0, resamples: int = RESAMPLES, confidence: float = CONFIDENCE
) -> Interval:
    """The percentile bootstrap interval of mean(first) - mean(second), paired: row i of both is the same sample.

    Each is (N,) or (N, R), and R may differ between them. Raises `ValueError` where N differs.
    """
    one, other = _sample_means(first), _sample_means(second)
    if len(one) != len(other):
        raise ValueError(f"Pairs need the same samples on both sides; got {len(one)} and {len(other)}.")
    return _percentile(one - other, seed, resamples, confidence)


def _percentile(means: NDArray[np.float64], seed: int, resamples: int, confidence: float) -> Interval:
    generator = np.random.Generator(np.random.PCG64(seed))
    n = len(means)
    kinds, counts = np.unique(means.round(12), return_counts=True)
    ordered = np.repeat(kinds, counts)
    parts = []
    step = max(1, _CELLS // n)
    for start in range(0, resamples, step):
        rows = min(step, resamples - start)
        if len(kinds) <= _FEW:
            parts.append(generator.multinomial(n, counts / n, size=rows) @ kinds)
        else:
            parts.append(ordered[generator.integers(n, size=(rows, n), dtype=np.int32)].sum(1))
    tail = (1 - confidence) / 2
    low, high = np.quantile(np.concatenate(parts) / n, [tail, 1 - tail])
    return Interval(float(low), float(high))


def _sample_means(values: Values) -> NDArray[np.float64]:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim not in (1, 2) or not array.size:
        raise ValueError(f"Values are (N,) or (N, R), with at least one; got {array.shape}.")
    means: NDArray[np.float64] = array if array.ndim == 1 else array.mean(1)
    return means
