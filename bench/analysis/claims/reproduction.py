"""A study's cells beside what its paper prints, and what outcomes say of its claims."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from bench.analysis.claims.study_claims import Judgement, Redrawn, judge, redrawn, shares_of
from bench.analysis.results.entries import read_entry
from bench.stats import Proportion

if TYPE_CHECKING:
    from bench.analysis.results.summary import Result
    from bench.domain.plan import Plan
    from bench.protocols.studies import Cell, PublishedFigure, Study, StudyTable
    from bench.store.store import Store


@dataclass(frozen=True)
class Measured:
    """A cell of a study: what was measured (None: nothing, or not of every sample), what the paper prints, the result
    of the strongest attack adapted to the same defense at the same budget that the store holds, and a `refused` result,
    whose images were outside the threat model. `figure` is the column's measure: the accuracy under its attack, or the
    share that is certified at its radius. `seconds` are those of one worker that a sample took here, attack, judge and
    controls together; None where only another machine measured it. `passes` are those of its network that
    one classification takes, where the defense says."""

    cell: Cell
    result: Result | None
    figure: Proportion | None
    published: tuple[PublishedFigure, ...]
    adaptive: Result | None = None
    refused: Result | None = None
    seconds: float | None = None
    passes: float | None = None

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
class Reproduction:
    """A study and what a store says of it; `measured` by cell, `drawn` by the title of draws, row and column, None
    where one of the draws was not measured."""

    study: Study
    measured: Mapping[Cell, Measured]
    judgements: tuple[Judgement, ...]
    drawn: Mapping[tuple[str, str, str], Redrawn | None]

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
                    "seconds_a_sample": found.seconds,
                    "passes_a_classification": found.passes,
                    "covers": found.covers,
                    "measured": None if found.result is None else found.result.document(),
                    "adaptive": None if found.adaptive is None else found.adaptive.document(),
                    "refused": None if found.refused is None else found.refused.document(),
                }
                for found in self.measured.values()
            ],
            "drawn": [
                {"title": title, "row": row, "column": column, **({} if found is None else found.document())}
                for (title, row, column), found in self.drawn.items()
            ],
            "claims": [judgement.document() for judgement in self.judgements],
        }


def reproduce(
    study: Study, plans: Mapping[Cell, Plan], store: Store, passes: Mapping[str, float] = MappingProxyType({})
) -> Reproduction:
    """What a store holds of a study whose cells are these plans; cells without a plan were not measured. `passes` are a
    classification's, by the digest of a plan."""
    adaptive = [plan for plan in store.plans() if plan.attack.name.startswith("adaptive-")]
    distinct = {plan.digest: plan for plan in (*plans.values(), *adaptive)}  # columns of several radii share one
    read = {digest: read_entry(store, plan) for digest, plan in distinct.items() if store.shards(plan)}
    entries = {cell: read[plan.digest] for cell, plan in plans.items() if plan.digest in read}
    counted = {cell: entry for cell, entry in entries.items() if entry.result.counts}
    strongest = _strongest(read[plan.digest].result for plan in adaptive if plan.digest in read)
    measured = {}
    for cell in study.cells():
        entry = counted.get(cell)
        shares = shares_of(study, cell, counted)
        beside = None if entry is None else strongest.get(_key(entry.plan))
        every = entries.get(cell)
        refused = every.result if every is not None and every.result.invalid else None
        figure = None if shares is None else Proportion(float(shares[1].sum()), len(shares[1]))
        result = None if entry is None else entry.result
        cost = (None, None) if result is None else (_seconds(store, result.plan), passes.get(result.plan.digest))
        measured[cell] = Measured(cell, result, figure, study.figures(cell), beside, refused, *cost)
    drawn = {
        (draws.title, row, column): redrawn(study, draws, (row, column), counted)
        for draws in study.draws
        for row in draws.rows
        for column in draws.columns
    }
    return Reproduction(study, measured, judge(study, counted), drawn)


def _seconds(store: Store, plan: Plan) -> float | None:
    costs = store.costs(plan.digest)
    return sum(cost.seconds for cost in costs) / plan.samples if all(cost.device for cost in costs) else None


def _strongest(results: Iterable[Result]) -> dict[str, Result]:
    """The lowest result that counts by defense, data set and budget; of equal ones the first."""
    found: dict[str, Result] = {}
    for result in results:
        key = _key(result.plan)
        if result.counts and (key not in found or result.robust_accuracy < found[key].robust_accuracy):
            found[key] = result
    return found


def _key(plan: Plan) -> str:
    """What a plan and its adaptive counterpart share."""
    return f"{plan.defense.document()} {plan.dataset.document()} {plan.threat.document()}"
