"""Shares of right predictions: over draws, by certified radius, and by the distance of the nearest misled image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.domain.outcomes import rates
from bench.stats import Proportion

if TYPE_CHECKING:
    from numpy.typing import NDArray

RADII = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Radii at which certified accuracy is reported (Cohen et al. 2019, 1902.02918, table 2)."""
SHARES = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0)
"""Parts of the budget at which accuracy by the nearest images is reported."""


@dataclass(frozen=True)
class Accuracy:
    """How often predictions were right, in the four ways in which several draws of a sample can be counted.

    `mean` is what is reported: each sample counts by its share of right draws. `first` counts the first draw alone,
    `worst` the samples that every draw gets right, `majority` those whose label has more votes than any other class.
    With one draw all four are equal.
    """

    mean: Proportion
    first: Proportion
    worst: Proportion
    majority: Proportion


def certified(radii: NDArray[np.float64]) -> dict[float, Proportion]:
    """The share of samples whose label is certified at each of `RADII`; empty where nothing was certified."""
    known = radii[~np.isnan(radii)]
    if not len(known):
        return {}
    return {least: Proportion(int(((known > 0) & (known >= least)).sum()), len(known)) for least in RADII}


def by_epsilon(minimal: NDArray[np.float64], budget: float) -> dict[float, Proportion]:
    """The share of samples whose nearest misclassified image lies beyond each of `SHARES` of the budget."""
    known = minimal[~np.isnan(minimal)]
    if not len(known):
        return {}
    return {share * budget: Proportion(int((known > share * budget).sum()), len(known)) for share in SHARES}


def accuracy(labels: NDArray[np.int64], predictions: NDArray[np.int64]) -> Accuracy:
    """How often predictions (N, draws) are the labels (N,)."""
    right = predictions == labels[:, None]

    def share(successes: NDArray[Any]) -> Proportion:
        return Proportion(successes.sum().item(), len(labels))

    first = share(right[:, 0])
    if right.shape[1] == 1:
        return Accuracy(Proportion(float(first.successes), first.n), first, first, first)
    return Accuracy(
        mean=share(rates(right)),
        first=first,
        worst=share(right.all(1)),
        majority=share(_elected(labels, predictions)),
    )


def _elected(labels: NDArray[np.int64], predictions: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether each label has more votes than any other class; a tie is an error."""
    draws = np.ascontiguousarray(predictions.T)  # along which sums are far faster
    own = (draws == labels).sum(0)
    elected: NDArray[np.bool_] = own > 0
    for drawn in draws:  # of which there are fewer than of classes
        elected &= (drawn == labels) | ((draws == drawn).sum(0) < own)
    return elected
