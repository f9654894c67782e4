"""A study's cells beside what its paper prints, and what outcomes say of its claims."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from bench.report.rows import read_entry
from bench.stats import (
    CONFIDENCE,
    Interval,
    Proportion,
    binomial_test,
    bootstrap_difference,
    clopper_pearson_interval,
    holm,
    mcnemar,
    samples_to_show,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bench.domain.plan import Plan
    from bench.protocols.studies import Cell, Claim, PublishedFigure, Study, StudyTable
    from bench.report.rows import Entry
    from bench.report.summary import Result
    from bench.store.store import Store

Verdict = Literal["holds", "does not hold", "cannot be told", "not measured"]
NOUGHT = Interval(0.0, 0.0)
VERDICTS: tuple[Verdict, ...] = ("holds", "does not hold", "cannot be told", "not measured")


@dataclass(frozen=True)
class Measured:
    """A cell of a study: what was measured (None: nothing, or not of every sample), what the paper prints, the result
    of the strongest attack adapted to the same defense at the same budget that the store holds, and a `refused` result,
    whose images were outside the threat model. `figure` is the column's measure: the accuracy under its attack, or the
    share that is certified at its radius."""

    cell: Cell
    result: Result | None
    figure: Proportion | None
    published: tuple[PublishedFigure, ...]
    adaptive: Result | None = None
    refused: Result | None = None

    @property
    def difference(self) -> float | None:
        """Measured minus published, as shares, where both are there."""
        if self.figure is None or not self.published:
            return None
        return self.figure.rate - self.published[0].rate

    @property
    def covers(self) -> bool | None:
        """Whether the 95 % interval holds the published figure."""
        if self.figure is None or not self.published:
            return None
        interval = self.figure.interval
        return interval.low <= self.published[0].rate <= interval.high


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
class Reproduction:
    """A study and what a store says of it; `measured` by cell."""

    study: Study
    measured: Mapping[Cell, Measured]
    judgements: tuple[Judgement, ...]

    def table(self, table: StudyTable) -> tuple[tuple[Measured, ...], ...]:
        """The cells of a table, row by row."""
        return tuple(tuple(self.measured[row, column] for column in table.columns) for row in table.rows)

    def document(self) -> dict[str, Any]:
        """All of it as plain JSON data."""
        return {
            "study": self.study.name,
            "version": self.study.version,
            "dataset": self.study.dataset,
            "scale": self.study.scale,
            "cells": [
                {
                    "row": found.cell[0],
                    "column": found.cell[1],
                    "published": [{"accuracy": each.rate, "place": each.place} for each in found.published],
                    "figure": None if found.figure is None else found.figure.rate,
                    "interval": None
                    if found.figure is None
                    else [found.figure.interval.low, found.figure.interval.high],
                    "difference": found.difference,
                    "covers": found.covers,
                    "measured": None if found.result is None else found.result.document(),
                    "adaptive": None if found.adaptive is None else found.adaptive.document(),
                    "refused": None if found.refused is None else found.refused.document(),
                }
                for found in self.measured.values()
            ],
            "claims": [judgement.document() for judgement in self.judgements],
        }


def reproduce(study: Study, plans: Mapping[Cell, Plan], store: Store) -> Reproduction:
    """What a store holds of a study whose cells are these plans; cells without a plan were not measured."""
    distinct = {plan.digest: plan for plan in plans.values()}  # columns of several radii share one
    read = {digest: read_entry(store, plan) for digest, plan in distinct.items() if store.shards(plan)}
    entries = {cell: read[plan.digest] for cell, plan in plans.items() if plan.digest in read}
    counted = {cell: entry for cell, entry in entries.items() if entry.result.counts}
    adaptive = _adaptive(store)
    measured = {}
    for cell in study.cells():
        entry = counted.get(cell)
        shares = _shares(study, cell, counted)
        beside = None if entry is None else adaptive.get(_key(entry.result.plan))
        every = entries.get(cell)
        refused = every.result if every is not None and every.result.invalid else None
        figure = None if shares is None else Proportion(float(shares[1].sum()), len(shares[1]))
        result = None if entry is None else entry.result
        measured[cell] = Measured(cell, result, figure, study.figures(cell), beside, refused)
    judgements = [_judge(study, claim, counted) for claim in study.claims]
    told = [judgement for judgement in judgements if judgement.verdict != "not measured"]
    adjusted = iter(holm([judgement.p for judgement in told]))
    return Reproduction(
        study,
        measured,
        tuple(each if each.verdict == "not measured" else _decide(each, next(adjusted)) for each in judgements),
    )


def _judge(study: Study, claim: Claim, entries: Mapping[Cell, Entry]) -> Judgement:
    """A claim's test, undecided; 'not measured' where a cell is missing, or where two are not of the same samples."""
    first = _shares(study, claim.cell, entries)
    if first is None:
        return Judgement(claim, "not measured")
    if not isinstance(claim.other, tuple):
        return _tested(claim, first[1], np.full(len(first[1]), claim.other))
    second = _shares(study, claim.other, entries)
    if second is None or not np.array_equal(first[0], second[0]):
        return Judgement(claim, "not measured")
    return _tested(claim, first[1], second[1])


def _shares(
    study: Study, cell: Cell, entries: Mapping[Cell, Entry]
) -> tuple[NDArray[np.int64], NDArray[np.float64]] | None:
    """Samples, as indices of the data set, and of each the share of right draws, whether it is certified at the
    column's radius, or the mean of what it has in other columns; None where something was not measured."""
    column = study.column(cell[1])
    if column.mean_of:
        parts = [_shares(study, (cell[0], name), entries) for name in column.mean_of]
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
        interval, p, variance = bootstrap_difference(first, second, 0), mcnemar(above, below), float(differences.var())
        if claim.relation == "equal":  # resampling what never differed would give an interval of no width
            interval = _hull(interval, _discordance(above, below, n))
    else:
        right = round(float(first.sum()))  # of a random defense the mean over draws, which varies less than a draw
        exact = clopper_pearson_interval(right, n)
        interval = Interval(exact.low - claim.other, exact.high - claim.other)
        p, variance = binomial_test(right, n, claim.other), claim.other * (1 - claim.other)
    return Judgement(claim, "cannot be told", n, found, interval, p, samples=samples_to_show(found, variance))


def _discordance(above: int, below: int, n: int) -> Interval:
    """Between what a mean difference lies by the exact intervals of how many samples differ either way, each by at most
    1; for few of them, where the bootstrap's is too short."""
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


def _adaptive(store: Store) -> dict[str, Result]:
    """The lowest result of an adaptive attack by defense, norm and budget."""
    found: dict[str, Result] = {}
    for plan in store.plans():
        if plan.attack.name.startswith("adaptive-") and store.shards(plan):
            result = read_entry(store, plan).result
            key = _key(plan)
            if result.counts and (key not in found or result.robust_accuracy < found[key].robust_accuracy):
                found[key] = result
    return found


def _key(plan: Plan) -> str:
    """What a plan and its adaptive counterpart share."""
    return f"{plan.defense.document()} {plan.dataset.document()} {plan.threat.document()}"
