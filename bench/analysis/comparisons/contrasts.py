"""Two defenses under one measure: what only one of them gets right, and whether that is more than chance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from bench.analysis.specs import Column
from bench.stats import (
    CONFIDENCE,
    Interval,
    Proportion,
    bootstrap_difference,
    clustered_interval,
    mcnemar,
    smallest_difference,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from bench.analysis.evidence.assurance import Assurance

Kind = Literal["clean", "attack", "worst case"]


@dataclass(frozen=True)
class Figure:
    """An accuracy of one side, its 95 % interval over samples, and how many seeds it is the mean of."""

    rate: float
    interval: Interval
    seeds: int

    def document(self) -> dict[str, Any]:
        """The figure as plain JSON data."""
        return {"accuracy": self.rate, "interval": [self.interval.low, self.interval.high], "seeds": self.seeds}


@dataclass(frozen=True)
class Contrast:
    """Two sides under one measure: the clean images, an attack (`column`), or the worst case of all of them.

    A sample's share is that of its draws and seeds that are right. `only_first` and `only_second` are the samples, as
    indices of the data set, whose share is higher on that side: of whole verdicts, those that it alone gets right;
    `both` and `neither` count the equal ones, above one half or not. `p` is the exact McNemar test's, `adjusted` Holm's
    over all tests of the comparison. `interval` is the paired bootstrap's of `difference` (first minus second), with
    samples as clusters. `evidence` is the assurance of either side.
    """

    kind: Kind
    label: str
    column: Column | None
    n: int
    first: Figure
    second: Figure
    only_first: tuple[int, ...]
    only_second: tuple[int, ...]
    both: int
    neither: int
    p: float
    difference: float
    interval: Interval
    evidence: tuple[Assurance | None, Assurance | None]
    tests: int = 1
    adjusted: float = 1.0

    @property
    def better(self) -> int:
        """1 where the first is shown to be better, -1 where the second is, 0 where they cannot be told apart.

        Shown means: `adjusted` is below 5 %, and the interval of the difference lies on that side of nought.
        """
        if self.adjusted >= 1 - CONFIDENCE:
            return 0
        return int(self.interval.low > 0) - int(self.interval.high < 0)

    @property
    def detectable(self) -> float | None:
        """The smallest true difference that these samples, as discordant as they are, would show in 4 of 5 repetitions
        although `tests` of them are made at once; None where they are too few for any."""
        discordant = (len(self.only_first) + len(self.only_second)) / self.n
        return smallest_difference(self.n, discordant, confidence=1 - (1 - CONFIDENCE) / self.tests)

    def document(self) -> dict[str, Any]:
        """The contrast as plain JSON data."""
        return {
            "measure": self.label,
            "threat": self.column.threat.document() if self.column else None,
            "n": self.n,
            "first": self.first.document(),
            "second": self.second.document(),
            "only_first": list(self.only_first),
            "only_second": list(self.only_second),
            "both": self.both,
            "neither": self.neither,
            "p": self.p,
            "p_holm": self.adjusted,
            "difference": self.difference,
            "interval": [self.interval.low, self.interval.high],
            "detectable": self.detectable,
        }


def contrast(
    kind: Kind,
    label: str,
    indices: NDArray[np.int64],
    shares: tuple[NDArray[np.float64], NDArray[np.float64]],
    *,
    column: Column | None = None,
    evidence: tuple[Assurance | None, Assurance | None] = (None, None),
    seed: int = 0,
) -> Contrast:
    """The contrast of two sides' shares (N, seeds) of right draws, of the samples at `indices` (N,), uncorrected."""
    first, second = (share.mean(1).round(12) for share in shares)
    equal = first == second
    return Contrast(
        kind=kind,
        label=label,
        column=column,
        n=len(indices),
        first=_figure(shares[0]),
        second=_figure(shares[1]),
        only_first=tuple(indices[first > second].tolist()),
        only_second=tuple(indices[first < second].tolist()),
        both=int((equal & (first > 0.5)).sum()),
        neither=int((equal & (first <= 0.5)).sum()),
        p=mcnemar(int((first > second).sum()), int((first < second).sum())),
        difference=float(first.mean() - second.mean()),
        interval=bootstrap_difference(first, second, seed),
        evidence=evidence,
    )


def _figure(shares: NDArray[np.float64]) -> Figure:
    """Over one seed Wilson's interval, as on a leaderboard; over several one with samples as clusters."""
    by_sample, seeds = shares.mean(1), shares.shape[1]
    interval = Proportion(float(by_sample.sum()), len(by_sample)).interval
    return Figure(float(by_sample.mean()), interval if seeds == 1 else clustered_interval(by_sample), seeds)
