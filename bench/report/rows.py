"""One defense's row: a result an attack, the worst case over them, and what keeps it off the ranking."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.domain.plan import Plan, Spec
from bench.domain.threat import ThreatModel
from bench.report.diagnosis import diagnose
from bench.report.summary import Accuracy, Result, summarise
from bench.stats import CONFIDENCE, Proportion, holm, mcnemar

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bench.domain.outcomes import Outcomes
    from bench.store.store import Store


@dataclass(frozen=True)
class Column:
    """One attack at one budget."""

    attack: Spec
    threat: ThreatModel


@dataclass(frozen=True)
class Row:
    """One defense on a leaderboard; `results` has one entry a column, None where nothing was run.

    `worst` is the share of samples that survive everything on the leaderboard, the clean image included: per sample
    the lowest rate over the plans. It is there only where every column is complete and valid, and only then is there
    a `rank` (see `ranked`); otherwise `gaps` says what is missing. `notes` are doubts about the row as a whole.
    """

    defense: Spec
    results: tuple[Result | None, ...]
    clean: Accuracy
    worst: Proportion | None
    gaps: tuple[str, ...]
    notes: tuple[str, ...]
    rank: int | None = None
    survival: NDArray[np.float64] | None = field(default=None, compare=False, repr=False)
    """Per sample (N,) the share that survives; of what `worst` is the mean."""

    @property
    def found(self) -> tuple[Result, ...]:
        """The results there are, in the order of the columns."""
        return tuple(result for result in self.results if result is not None)

    @property
    def environments(self) -> tuple[Mapping[str, Any], ...]:
        """The distinct environments of the results."""
        distinct = {str(sorted(found.items())): found for result in self.found for found in result.environments}
        return tuple(distinct.values())

    @property
    def mean(self) -> float:
        """Mean robust accuracy over the valid results, for the order of rows without a worst case; -1 without any."""
        rates = [result.robust_accuracy for result in self.found if not result.invalid]
        return sum(rates) / len(rates) if rates else -1.0


@dataclass(frozen=True)
class Entry:
    """A plan's result with its outcomes, which comparing it needs."""

    result: Result
    outcomes: Outcomes

    @property
    def column(self) -> Column:
        """Where it stands on a leaderboard."""
        return Column(self.result.plan.attack, self.result.plan.threat)


def identity(thing: Spec | Column | None) -> str:
    """A text that is equal exactly for equal specs or columns, although these hold unhashable settings."""
    return "" if thing is None else json.dumps(asdict(thing), sort_keys=True, default=str)


def differences(spec: Spec, others: Iterable[Spec], *, weights: bool = True) -> tuple[str, ...]:
    """The settings, version and (unless they do not matter) weights in which a plugin differs from others of its name:
    'width=64'."""
    namesakes = [other for other in others if other.name == spec.name]
    found = [
        f"{key}={value}"
        for key, value in spec.params.items()
        if any(other.params.get(key) != value for other in namesakes)
    ]
    if any(other.version != spec.version for other in namesakes):
        found.append(f"version {spec.version}")
    if weights and any(other.weights != spec.weights for other in namesakes):
        found.extend(f"{role} {sha256[:8]}" for role, sha256 in spec.weights.items())
    return tuple(found)


def read_entry(store: Store, plan: Plan) -> Entry:
    """The entry of a plan with at least one finished shard."""
    outcomes = store.table(plan)
    return Entry(summarise(plan, outcomes, store.shards(plan)), outcomes)


def make_row(entries: Sequence[Entry], columns: Sequence[Column], counted: Sequence[Column]) -> Row:
    """The row of one defense's entries, unranked; every entry stands in one of the columns.

    The worst case is over the `counted` ones.
    """
    by_column = {identity(entry.column): entry.result for entry in entries}
    results = tuple(by_column.get(identity(column)) for column in columns)
    gaps = [_gap(column, by_column.get(identity(column))) for column in counted]
    fullest = max(entries, key=lambda entry: entry.result.n)
    survival = None
    if not any(gaps):
        survival = np.minimum.reduce([entry.outcomes.lowest for entry in entries if entry.column in counted])
    return Row(
        defense=fullest.result.plan.defense,
        results=results,
        clean=fullest.result.clean,
        worst=None if survival is None else Proportion(survival.sum().item(), len(survival)),
        gaps=tuple(gap for gap in gaps if gap),
        notes=diagnose([(entry.result, entry.outcomes) for entry in entries]),
        survival=survival,
    )


def ranked(rows: Sequence[Row]) -> tuple[Row, ...]:
    """The rows in order, by worst case, then the unranked by their mean.

    A rank is 1 more than the number of rows that are shown to be better, and never smaller than that of the row above,
    so that rows which the samples cannot tell apart share one. A row is shown to be better where the sign test over
    the samples on which two rows differ (McNemar's, for whole samples), corrected by Holm over all pairs of the
    leaderboard, has a p-value below 5 %.
    """
    ordered = sorted(
        rows,
        key=lambda row: (row.worst is None, -row.worst.rate if row.worst else -row.mean, identity(row.defense)),
    )
    better = _better([row.survival for row in ordered if row.survival is not None])
    ranks = itertools.accumulate((1 + sum(worse == place for _, worse in better) for place in range(len(ordered))), max)
    return tuple(replace(row, rank=rank if row.worst else None) for row, rank in zip(ordered, ranks, strict=True))


def _better(survivals: Sequence[NDArray[np.float64]]) -> list[tuple[int, int]]:
    """The pairs (better, worse) of rows, as places, whose difference the samples show."""
    pairs = list(itertools.combinations(range(len(survivals)), 2))
    wins = [(int((survivals[a] > survivals[b]).sum()), int((survivals[a] < survivals[b]).sum())) for a, b in pairs]
    shown = [p < 1 - CONFIDENCE for p in holm([mcnemar(*counts) for counts in wins])]
    return [
        (a, b) if more > less else (b, a)
        for (a, b), (more, less), is_shown in zip(pairs, wins, shown, strict=True)
        if is_shown
    ]


def _gap(column: Column, result: Result | None) -> str | None:
    """Why this column keeps a row off the ranking; None where it does not."""
    label = f"{column.attack.name} at {column.threat}"
    if result is None:
        return f"{label} was not run"
    if result.invalid:
        return f"{label} is invalid: {' '.join(result.invalid).rstrip('.')}"
    if not result.complete:
        return f"{label} is incomplete: {result.n} of {result.plan.samples} samples"
    return None
