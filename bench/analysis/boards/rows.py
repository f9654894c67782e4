"""One defense's row: a result an attack, the worst case over them, and what keeps it off the ranking."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.analysis.evidence.assurance import is_adversarial
from bench.analysis.results.diagnosis import diagnose
from bench.analysis.results.doctor import examine
from bench.analysis.results.examination import recognised
from bench.analysis.specs import Column, identity
from bench.stats import Proportion

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bench.analysis.results.accuracy import Accuracy
    from bench.analysis.results.doctor import Check
    from bench.analysis.results.entries import Entry
    from bench.analysis.results.summary import Result
    from bench.domain.plan import Spec
    from bench.domain.threat import ThreatModel

NOT_RUN = "was not run"
BEHIND = (
    "Random, and attacked by gradient under one frozen draw of its noise alone: it ranks below every defense that was "
    "not."
)
UNADAPTED = (
    "No attack that is adapted to it is in this store, as there is for others here: its worst case may be far too "
    "high, and it ranks below theirs."
)


@dataclass(frozen=True)
class Bounds:
    """Between what the accuracy under every attack of a budget lies: `lower` is certified, `upper` survives each attack
    that was run, both over the same samples."""

    threat: ThreatModel
    lower: Proportion
    upper: Proportion


@dataclass(frozen=True)
class Note:
    """A doubt about a row: the attacks that it is about, none where it is about all of them together."""

    attacks: tuple[str, ...]
    sentence: str

    def __str__(self) -> str:
        return f"{', '.join(self.attacks)}: {self.sentence}" if self.attacks else self.sentence


@dataclass(frozen=True)
class Row:
    """One defense on a leaderboard; `results` has one entry a column, None where nothing was run.

    `worst` is the share of samples that survive everything that the leaderboard counts, the clean image included: per
    sample the lowest rate over the plans. It is there only where every counted column may count, and only then is there
    a `rank` (see `ranked`); otherwise `gaps` says what is missing. `notes` are the doubts about its results, alone and
    together. `untouched` is the result that judged the images as they are, where there is one. `strange` are the
    columns, as places, in which it met other images than the other rows. `behind` says why it ranks below others
    whatever its figures are; empty where it does not. `checks` are those of its examination (`bench diagnose`), where
    the store holds one; `bounds` those of budgets at which it was certified and attacked.
    """

    defense: Spec
    results: tuple[Result | None, ...]
    clean: Accuracy
    worst: Proportion | None
    gaps: tuple[str, ...]
    notes: tuple[Note, ...]
    rank: int | None = None
    untouched: Result | None = None
    strange: frozenset[int] = frozenset()
    behind: str = ""
    checks: tuple[Check, ...] = ()
    bounds: tuple[Bounds, ...] = ()
    survival: NDArray[np.float64] | None = field(default=None, compare=False, repr=False)
    """Per sample (N,) the share that survives; of what `worst` is the mean."""

    @property
    def found(self) -> tuple[Result, ...]:
        """The results there are, in the order of the columns."""
        return tuple(result for result in self.results if result is not None)

    @property
    def everything(self) -> tuple[Result, ...]:
        """The same, after the result that judged the images as they are."""
        return self.found if self.untouched is None else (self.untouched, *self.found)

    @property
    def environments(self) -> tuple[Mapping[str, Any], ...]:
        """The distinct environments of the results."""
        distinct = {str(sorted(found.items())): found for result in self.everything for found in result.environments}
        return tuple(distinct.values())

    @property
    def mean(self) -> float:
        """Mean robust accuracy over the valid results, for the order of rows without a worst case; -1 without any."""
        rates = [result.robust_accuracy for result in self.found if not result.invalid]
        return sum(rates) / len(rates) if rates else -1.0


def make_row(
    entries: Sequence[Entry],
    columns: Sequence[Column],
    counted: Sequence[Column],
    *,
    untouched: Entry | None = None,
    elsewhere: Sequence[Entry] = (),
    strange: Mapping[str, str] | None = None,
    adapted: bool = True,
    hidden: Sequence[Entry] = (),
) -> Row:
    """The row of one defense's entries, unranked; every entry stands in one of the columns.

    The worst case is over the `counted` ones. `untouched` judged the images as they are, `elsewhere` are further
    entries of the same defense. `strange` says of plans, by digest, whose other images they met. Not `adapted` is a row
    without adaptive evidence among others that have some. `hidden` are entries that belong into the row and are not
    shown: doubts are told of them as well.
    """
    by_column = {identity(entry.column): entry.result for entry in entries}
    results = tuple(by_column.get(identity(column)) for column in columns)
    others = strange or {}
    gaps = [_gap(f"{each.attack.name} at {each.threat}", by_column.get(identity(each)), others) for each in counted]
    if untouched is not None:
        gaps.append(_gap("the untouched images", untouched.result, others))
    known = [*entries, *([] if untouched is None else [untouched])]
    fullest = max(known, key=lambda entry: entry.result.n)
    survival = None
    if counted and not any(gaps):
        survival = np.minimum.reduce([entry.outcomes.lowest for entry in entries if entry.column in counted])
    labels = [result.assurance for result in map(by_column.get, map(identity, counted)) if result is not None]
    asides = [column for column in columns if column not in counted]
    is_behind = any(each.fixed_noise for each in labels) and not any(each.in_expectation for each in labels)
    return Row(
        defense=fullest.result.plan.defense,
        results=results,
        clean=fullest.result.clean,
        worst=None if survival is None else Proportion(survival.sum().item(), len(survival)),
        gaps=tuple(filter(None, gaps)),
        notes=(*_flaws(asides, by_column), *_notes(known, [*known, *hidden], elsewhere, others)),
        untouched=None if untouched is None else untouched.result,
        strange=frozenset(at for at, result in enumerate(results) if result and result.plan.digest in others),
        behind=BEHIND if is_behind else "" if adapted else UNADAPTED,
        survival=survival,
        checks=examine(recognised([*known, *elsewhere])),
        bounds=tuple(_bounds([*known, *elsewhere])),
    )


def _bounds(entries: Sequence[Entry]) -> Iterator[Bounds]:
    """What certificates and attacks on the same samples say together, a budget at a time."""
    whole = [entry for entry in entries if entry.result.counts]
    proofs = [entry for entry in whole if entry.plan.knowledge == "certified"]
    attacks = [entry for entry in whole if is_adversarial(entry.plan) and entry.plan.source is None]
    for threat in sorted({entry.plan.threat for entry in attacks}, key=str):
        mine = [entry for entry in attacks if entry.plan.threat == threat]
        for proof in proofs:
            plan = proof.plan
            same = [each for each in mine if each.result.plan.indices == plan.indices]
            if plan.threat.norm == threat.norm and same:
                lower = int((proof.outcomes.radius >= threat.radius).sum())
                upper = np.minimum.reduce([each.outcomes.lowest for each in same]).sum().item()
                n = len(proof.outcomes)
                yield Bounds(threat, Proportion(lower, n), Proportion(upper, n))
                break


def _flaws(columns: Sequence[Column], results: Mapping[str, Result]) -> Iterator[Note]:
    """What is wrong with the results in columns that no worst case counts."""
    for column in columns:
        result = results.get(identity(column))
        flaw = result and flaw_of(result)
        if flaw:
            yield Note((column.attack.name,), f"It is {flaw}.")


def _notes(
    known: Sequence[Entry], whole: Sequence[Entry], elsewhere: Sequence[Entry], strange: Mapping[str, str]
) -> tuple[Note, ...]:
    """Each doubt once: what the whole row's results say together, and then what each of those known says, with the
    attacks of which it is so."""
    single: dict[str, list[str]] = {}
    for entry in known:
        plan = entry.plan
        met = [f"It met {strange[plan.digest]}."] if plan.digest in strange else []
        for sentence in (*met, *entry.result.doubts):
            single.setdefault(sentence, []).append(plan.attack.name)
    together = [Note((), sentence) for sentence in diagnose(whole, elsewhere)]
    return (*together, *(Note(tuple(dict.fromkeys(names)), sentence) for sentence, names in single.items()))


def _gap(label: str, result: Result | None, strange: Mapping[str, str]) -> str:
    """Why what is called so keeps a row off the ranking; empty where it does not."""
    gap = gap_of(result, "" if result is None else strange.get(result.plan.digest, ""))
    return gap and f"{label} {gap}"


def gap_of(result: Result | None, met: str = "") -> str:
    """Why a result cannot be ranked and paired, after its attack's name; empty where it can.

    `met` says whose images it met, if not those that it should have.
    """
    if result is None:
        return NOT_RUN
    if met:
        return f"met {met}"
    flaw = flaw_of(result)
    return f"is {flaw}" if flaw else ""


def flaw_of(result: Result) -> str | None:
    """What keeps a result from being ranked and paired, after 'it is'; None where nothing does."""
    if result.invalid:
        return f"invalid: {' '.join(result.invalid).rstrip('.')}"
    if result.conflicts:
        return f"in dispute: {' '.join(conflict.sentence for conflict in result.conflicts).rstrip('.')}"
    if result.claimed:
        return f"merely claimed by {result.origin or 'the store it was merged from'}"
    return None if result.complete else f"incomplete: {result.n} of {result.plan.samples} samples"
