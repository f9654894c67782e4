"""What outcomes say of a paper's claims: each a test, and a verdict after correction for their number."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from bench.stats import (
    CONFIDENCE,
    Interval,
    binomial_test,
    bootstrap_difference,
    clopper_pearson_interval,
    holm,
    mcnemar,
    paired_mean,
    redrawn_mean,
    samples_to_show,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bench.analysis.results.entries import Entry
    from bench.protocols.studies import Cell, Claim, Study, StudyDraws

Verdict = Literal["holds", "does not hold", "cannot be told", "not measured"]
NOUGHT = Interval(0.0, 0.0)
FEW = 10
"""With fewer samples that differ, the bootstrap's interval of a difference is too short to prove equality."""
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)


@dataclass(frozen=True)
class Judgement:
    """What outcomes say of a claim: `difference` of the cell from what it stands beside, with its 95 % interval; `p` as
    it is and `adjusted` by Holm over all claims; and of those that cannot be told about how many `samples` would."""

    claim: Claim
    verdict: Verdict
    n: int = 0
    difference: float = 0.0
    interval: Interval = NOUGHT
    p: float = 1.0
    adjusted: float = 1.0
    samples: int | None = None

    def document(self) -> dict[str, Any]:
        """The judgement as plain JSON data."""
        return {
            "claim": self.claim.text,
            "cell": list(self.claim.cell),
            "relation": self.claim.relation,
            "other": list(self.claim.other) if isinstance(self.claim.other, tuple) else self.claim.other,
            "margin": self.claim.margin,
            "verdict": self.verdict,
            "n": self.n,
            "difference": self.difference,
            "interval": [self.interval.low, self.interval.high],
            "p": self.p,
            "p_holm": self.adjusted,
            "samples_to_tell": self.samples,
        }


@dataclass(frozen=True)
class Redrawn:
    """A row under a column on samples drawn anew: the accuracy on each draw of so many `samples`, a `share` of the data
    set, and how many `images` all draws hold."""

    means: tuple[float, ...]
    samples: int
    share: float
    images: int

    @property
    def mean(self) -> float:
        """The accuracy over all draws."""
        return float(np.mean(self.means))

    @property
    def interval(self) -> Interval:
        """The 95 % interval of the mean, from how far the draws lie apart."""
        found, _ = redrawn_mean(self.means, self.share)
        return Interval(max(0.0, found.low), min(1.0, found.high))

    def document(self) -> dict[str, Any]:
        """The same as plain JSON data."""
        return {
            "means": list(self.means),
            "mean": self.mean,
            "interval": [self.interval.low, self.interval.high],
            "samples": self.samples,
            "share_of_set": self.share,
            "images": self.images,
        }


def judge(study: Study, entries: Mapping[Cell, Entry]) -> tuple[Judgement, ...]:
    """What the entries of a study's cells say of its claims, in their order."""
    found = [_judge(study, claim, entries) for claim in study.claims]
    adjusted = iter(holm([judgement.p for judgement in found if judgement.verdict != "not measured"]))
    return tuple(each if each.verdict == "not measured" else _decide(each, next(adjusted)) for each in found)


def _judge(study: Study, claim: Claim, entries: Mapping[Cell, Entry]) -> Judgement:
    """A claim's test, undecided; 'not measured' where a cell is missing, or where two are not of the same samples."""
    if claim.drawn is not None:
        return _redrawn(study, claim, claim.drawn, entries)
    first = shares_of(study, claim.cell, entries)
    if first is None:
        return Judgement(claim, "not measured")
    if not isinstance(claim.other, tuple):
        return _tested(claim, first[1], np.full(len(first[1]), claim.other))
    second = shares_of(study, claim.other, entries)
    if second is None or not np.array_equal(first[0], second[0]):
        return Judgement(claim, "not measured")
    return _tested(claim, first[1], second[1])


def _redrawn(study: Study, claim: Claim, drawn: str, entries: Mapping[Cell, Entry]) -> Judgement:
    """A claim's test over draws of samples, as `_judge`."""
    found = redrawn(study, study.drawn(drawn), claim.cell, entries)
    if found is None:
        return Judgement(claim, "not measured")
    if isinstance(claim.other, tuple):
        against = redrawn(study, study.drawn(drawn), claim.other, entries)
        if against is None:
            return Judgement(claim, "not measured")
        beside = against.means
    else:
        beside = (claim.other,) * len(found.means)
    differences = [one - another for one, another in zip(found.means, beside, strict=True)]
    interval, p = redrawn_mean(differences, found.share)
    return Judgement(claim, "cannot be told", found.samples, float(np.mean(differences)), interval, p)


def redrawn(study: Study, draws: StudyDraws, cell: Cell, entries: Mapping[Cell, Entry]) -> Redrawn | None:
    """What was measured of a row under a column on every draw; None where one is missing."""
    cells = [(cell[0], name) for name in draws.drawn[cell[1]]]
    found = [shares_of(study, each, entries) for each in cells]
    known = [each for each in found if each is not None]
    if len(known) < len(cells):
        return None
    plan = entries[cells[0]].result.plan
    images = np.unique(np.concatenate([index for index, _ in known]))
    means = tuple(float(shares.mean()) for _, shares in known)
    return Redrawn(means, plan.samples, plan.samples / plan.size, len(images))


def shares_of(
    study: Study, cell: Cell, entries: Mapping[Cell, Entry]
) -> tuple[NDArray[np.int64], NDArray[np.float64]] | None:
    """Samples, as indices of the data set, and of each the share of right draws, whether it is certified at the
    column's radius, or the mean of what it has in other columns; None where something was not measured."""
    column = study.column(cell[1])
    if column.mean_of:
        parts = [shares_of(study, (cell[0], name), entries) for name in column.mean_of]
        found = [part for part in parts if part is not None]
        if len(found) < len(parts) or any(not np.array_equal(found[0][0], index) for index, _ in found):
            return None
        return found[0][0], np.mean([shares for _, shares in found], axis=0)
    entry = entries.get(cell)
    if entry is None:
        return None
    if column.radius is None:
        return entry.outcomes.index, entry.outcomes.robust_rate
    radius = entry.outcomes.radius
    return entry.outcomes.index, ((radius > 0) & (radius >= column.radius)).astype(np.float64)


def _tested(claim: Claim, first: NDArray[np.float64], second: NDArray[np.float64]) -> Judgement:
    differences, n = first - second, len(first)
    found = float(differences.mean())
    above, below = int((differences > 0).sum()), int((differences < 0).sum())
    if isinstance(claim.other, tuple):
        interval, variance = bootstrap_difference(first, second, 0), float(differences.var())
        are_whole = np.isin(differences, (-1.0, 0.0, 1.0)).all()  # a mean's are not, and of them signs say nothing
        p = mcnemar(above, below) if are_whole else paired_mean(differences)
        if claim.relation == "equal" and above + below < FEW:  # resampling these would give an interval of no width
            interval = _hull(interval, _discordance(above, below, n))
    else:
        right = round(float(first.sum()))  # of a random defense the mean over draws, which varies less than a draw
        exact = clopper_pearson_interval(right, n)
        interval = Interval(exact.low - claim.other, exact.high - claim.other)
        p, variance = binomial_test(right, n, claim.other), claim.other * (1 - claim.other)
    return Judgement(claim, "cannot be told", n, found, interval, p, samples=samples_to_show(found, variance))


def _discordance(above: int, below: int, n: int) -> Interval:
    """Between what a mean difference lies by the exact intervals of how many samples differ either way, each by at most
    1."""
    return Interval(-clopper_pearson_interval(below, n).high, clopper_pearson_interval(above, n).high)


def _hull(one: Interval, other: Interval) -> Interval:
    return Interval(min(one.low, other.low), max(one.high, other.high))


def _decide(judgement: Judgement, adjusted: float) -> Judgement:
    """The verdict: a difference holds where the corrected test shows it in the claimed direction; equality where the
    whole interval lies within the margin."""
    claim, low, high = judgement.claim, judgement.interval.low, judgement.interval.high
    significant = adjusted < 1 - CONFIDENCE
    verdict: Verdict = "cannot be told"
    if claim.relation == "equal":
        if -claim.margin <= low and high <= claim.margin:
            verdict = "holds"
        elif significant and abs(judgement.difference) > claim.margin:
            verdict = "does not hold"
    elif significant and (low > 0 or high < 0):
        verdict = "holds" if (judgement.difference > 0) == (claim.relation == "above") else "does not hold"
    samples = judgement.samples if verdict == "cannot be told" else None
    return replace(judgement, verdict=verdict, adjusted=adjusted, samples=samples)
