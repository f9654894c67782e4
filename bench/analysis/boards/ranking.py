"""The order of a leaderboard's rows, and the ranks that the samples can show."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from bench.analysis.boards.rows import Row
from bench.analysis.specs import identity
from bench.stats import CONFIDENCE, holm, mcnemar

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def ranked(rows: Sequence[Row]) -> tuple[Row, ...]:
    """The rows in order, by worst case, then the unranked by their mean.

    A rank is 1 more than the number of rows that are shown to be better, and never smaller than that of the row above,
    so that rows which the samples cannot tell apart share one. A row is shown to be better where the sign test over
    the samples on which two rows differ (McNemar's, for whole samples), corrected by Holm over all pairs that are
    compared, has a p-value below 5 %. Rows that are `behind` are compared among themselves, and all others are better.
    """
    ordered = sorted(
        rows,
        key=lambda row: (
            row.worst is None,
            row.worst is not None and bool(row.behind),
            -row.worst.rate if row.worst else -row.mean,
            -row.clean.mean.rate if row.worst is None else 0.0,
            identity(row.defense),
        ),
    )
    better = _better([row for row in ordered if row.survival is not None])
    ranks = itertools.accumulate((1 + sum(worse == place for _, worse in better) for place in range(len(ordered))), max)
    return tuple(replace(row, rank=rank if row.worst else None) for row, rank in zip(ordered, ranks, strict=True))


def _better(rows: Sequence[Row]) -> list[tuple[int, int]]:
    """The pairs (better, worse) of rows, as places, whose difference the samples show or of which one is behind."""
    survivals = [row.survival for row in rows]
    every = list(itertools.combinations(range(len(rows)), 2))
    pairs = [(a, b) for a, b in every if bool(rows[a].behind) == bool(rows[b].behind)]
    wins = [_wins(survivals[a], survivals[b]) for a, b in pairs]
    shown = [p < 1 - CONFIDENCE for p in holm([mcnemar(*counts) for counts in wins])]
    apart = [(b, a) if rows[a].behind else (a, b) for a, b in every if bool(rows[a].behind) != bool(rows[b].behind)]
    return apart + [
        (a, b) if more > less else (b, a)
        for (a, b), (more, less), is_shown in zip(pairs, wins, shown, strict=True)
        if is_shown
    ]


def _wins(first: NDArray[np.float64] | None, second: NDArray[np.float64] | None) -> tuple[int, int]:
    """How many samples each of two rows survives more often."""
    assert first is not None
    assert second is not None
    return int((first > second).sum()), int((first < second).sum())
