"""The picture of a duel: the difference under every measure with its interval, on one axis around nought.

Heights are in CSS pixels; the page stretches the widths, so that letters keep their size on a telephone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from bench.analysis.comparisons.contrasts import Contrast

TOP, BOTTOM, LANE = 30, 30, 26
LONGEST_NAME = 16
_STEPS = (1, 2, 5)


@dataclass(frozen=True)
class Lane:
    """One measure: its place `y`; `mark`, `low` and `high` are shares of the width, the first side's to the right."""

    contrast: Contrast
    name: str
    y: float
    mark: float
    low: float
    high: float


@dataclass(frozen=True)
class Forest:
    """All lanes; `ticks` are pairs of a place and of the points that it stands for."""

    height: float
    lanes: tuple[Lane, ...]
    ticks: tuple[tuple[float, str], ...]


def plant(contrasts: Sequence[Contrast]) -> Forest:
    """The picture of a duel's contrasts, in their order."""
    farthest = max(max(abs(each.interval.low), abs(each.interval.high)) for each in contrasts)
    step = _round_up(100 * max(farthest, 0.001) / 2)
    limit = 2 * step / 100

    def place(difference: float) -> float:
        return 0.5 + difference / (2 * limit)

    lanes = []
    for number, each in enumerate(contrasts):
        marks = map(place, (each.difference, each.interval.low, each.interval.high))
        lanes.append(Lane(each, shorten(each.label), TOP + (number + 0.5) * LANE, *marks))
    ticks = [(place(times * step / 100), f"{abs(times * step):g}") for times in range(-2, 3)]
    return Forest(TOP + LANE * len(lanes) + BOTTOM, tuple(lanes), tuple(ticks))


def shorten(name: str) -> str:
    """A name that fits beside the lanes, by its end, which tells files and budgets apart."""
    return name if len(name) <= LONGEST_NAME else f"…{name[1 - LONGEST_NAME :]}"


def _round_up(value: float) -> float:
    """The next of ..., 0.5, 1, 2, 5, 10, ... that is at least `value`."""
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (*_STEPS, 10) if step * power >= value * (1 - 1e-9))
