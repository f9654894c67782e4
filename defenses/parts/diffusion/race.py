"""A race among classes: one leaves as soon as the timesteps seen so far rule it out, at a stated risk."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from bench import UsageError

if TYPE_CHECKING:
    from torch import Tensor

FIRST = 4
"""Timesteps of the first look, which every class gets."""
GROWTH = 1.3
"""How many times as many timesteps the next look has seen, rounded up."""


@dataclass(frozen=True)
class Race:
    """After each look every class leaves whose mean error exceeds the leader's by more than chance would let it.

    Racing is Maron and Moore's (1994, "Hoeffding races"); the test is that of a race in blocks (Birattari et al. 2002,
    "A racing algorithm for configuring metaheuristics"), on means instead of ranks: a timestep is a block, for all
    classes meet one noise there. A class leaves where

        d > t s / sqrt(n) sqrt(1 - n / T),

    d being its mean excess over the leader at n of T timesteps in random order, s the standard deviation of those
    differences or that of the blocks' residual, pooled over the k classes left, times sqrt(2), whichever is larger; t
    the quantile of Student's distribution with (n - 1) (k - 1) degrees of freedom; and the last factor Cochran's for a
    sample without replacement ("Sampling Techniques", 1977, section 2.6). After all T nothing is left to chance.

    `risk` bounds the probability that the class which the whole grid prefers leaves an image's race, by Bonferroni
    over all looks and rivals. The bound takes differences for about normal and a class's deviation for no larger than
    the estimate above, so it is a model's, not free of one; that is why the harness asks about some images without a
    race as well (`Classifier.exhaustive`).
    """

    risk: float
    shuffled = True

    def __post_init__(self) -> None:
        if not 0 < self.risk < 1:
            raise UsageError(f"The race's risk must lie between 0 and 1; got {self.risk}.")

    def looks(self, order: Sequence[int]) -> tuple[tuple[int, ...], ...]:
        """The order cut after 4, 6, 8, 11, 15, ... places, up to all."""
        ends = _ends(len(order))
        return tuple(tuple(order[start:end]) for start, end in zip((0, *ends), ends, strict=False))

    def survivors(self, look: int, errors: Tensor, alive: Tensor, grid: int) -> Tensor:
        """The leader and those who are not ruled out."""
        seen = errors.shape[2]
        if seen >= grid or seen < 2:
            return alive
        mean = errors.mean(2).masked_fill(~alive, math.inf)
        leader = mean.argmin(1)
        differences = errors - errors.take_along_dim(leader[:, None, None], 1)
        excess = differences.mean(2)
        left = alive.sum(1)
        own = differences.var(2)
        pooled = 2 * _residual(errors, alive, left)
        deviation = own.maximum(pooled[:, None]).sqrt()
        looks, classes = len(_ends(grid)) - 1, alive.shape[1]
        quantiles = [quantile(self.risk, looks, classes, (seen - 1) * max(1, k - 1)) for k in range(classes + 1)]
        allowed = errors.new_tensor(quantiles)[left] * math.sqrt((1 - seen / grid) / seen)
        return alive & (excess <= allowed[:, None] * deviation)


def _residual(errors: Tensor, alive: Tensor, left: Tensor) -> Tensor:
    """The variance (N,) that neither a class nor a timestep explains, over the classes left."""
    counted = alive[:, :, None]
    block = (errors * counted).sum(1, keepdim=True) / left[:, None, None]
    residual = (errors - block) * counted
    residual = (residual - residual.mean(2, keepdim=True)) * counted
    free = (errors.shape[2] - 1) * (left - 1).clamp_min(1)
    return residual.square().sum((1, 2)) / free


@cache
def quantile(risk: float, looks: int, classes: int, free: int) -> float:
    """Student's quantile with `free` degrees of freedom that a class must exceed at one of so many looks."""
    from scipy.special import stdtrit  # scipy.stats.t's isf is the same, and takes half a second to import

    return float(-stdtrit(free, risk / (max(1, looks) * max(1, classes - 1))))


def _ends(grid: int) -> tuple[int, ...]:
    """How many timesteps have been seen after each look."""
    ends, seen = [], FIRST
    while seen < grid:
        ends.append(seen)
        seen = math.ceil(seen * GROWTH)
    return (*ends, grid)
