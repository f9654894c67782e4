"""Which of a store's plans may be compared sample by sample: the same samples, data set, attack and threat model."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.analysis.boards.leaderboards import Leaderboard, leaderboards
from bench.analysis.boards.rows import NOT_RUN, Row, flaw_of, gap_of
from bench.analysis.results.entries import Entry, read_entries, read_entry
from bench.analysis.results.seeds import seedless
from bench.analysis.specs import Column, differences, distinguished, identity
from bench.domain.errors import UsageError, closest
from bench.domain.plan import Plan, Spec
from bench.plugins.finding import name_of
from bench.protocols import Protocol

if TYPE_CHECKING:
    from bench.analysis.results.summary import Result
    from bench.store.store import Store


STRANGE = "other images than the other rows of the leaderboard"
_WORDS = {"dataset": "data set", "images": "samples", "attack": "attack", "threat": "budget"}


@dataclass(frozen=True)
class Side:
    """One defense of a comparison, and what it is called there.

    `runs` holds, by the identity of a column, one entry a seed, in the order of the seeds; `gaps` says of the other
    columns why there is nothing to compare.
    """

    label: str
    defense: Spec
    runs: Mapping[str, tuple[Entry, ...]]
    gaps: Mapping[str, str]

    def missed(self, column: Column) -> bool:
        """Whether nothing at all was run in this column."""
        return self.gaps.get(identity(column)) == NOT_RUN


@dataclass(frozen=True)
class Match:
    """Defenses that stand side by side: all runs under a column are of the same samples.

    `board` is the leaderboard on which they do, None where plans were named one by one. `rivals` are attacks on one
    defense, which share a budget alone.
    """

    board: Leaderboard | None
    example: Plan
    columns: tuple[Column, ...]
    sides: tuple[Side, ...]
    rivals: bool = False

    @property
    def labels(self) -> tuple[str, ...]:
        """A short name a column: the attack's, with its budget and settings where the attack stands there twice."""
        if self.rivals:
            return tuple(str(column.threat) for column in self.columns)
        specs = [column.attack for column in self.columns]
        names = [spec.name for spec in specs]
        return tuple(
            column.attack.name
            if names.count(column.attack.name) == 1
            else ", ".join((f"{column.attack.name} {column.threat}", *differences(column.attack, specs)))
            for column in self.columns
        )


def matches(
    store: Store, references: Sequence[str], protocols: Iterable[Protocol] | None = None, attacks: Sequence[str] = ()
) -> tuple[Match, ...]:
    """Where the references, names of defenses or beginnings of plans' digests, can be compared.

    Names are compared on every leaderboard of the protocols (by default on all) on which all of them stand; a defense
    that stands there with several settings takes part with each. `attacks` keeps the columns of these names. Plans
    are compared as they are. A defense of a script is named as where it is evaluated, by whatever path. Raises
    `UsageError` where a reference is unknown, or where nothing may be paired.
    """
    plans = store.plans()
    names = {plan.defense.name for plan in plans}
    references = [reference if reference in names else name_of(reference)[0] for reference in references]
    twice = [reference for reference in references if references.count(reference) > 1]
    if twice:
        raise UsageError(f"{twice[0]!r} is given twice; compare different defenses or plans.")
    unnamed = [reference for reference in references if reference not in names]
    for reference in unnamed:
        if not any(plan.digest.startswith(reference.lower()) for plan in plans):
            hint = closest(reference, names)
            raise UsageError(f"{store.location} holds no defense {reference!r}, and no plan that starts so.{hint}")
    if unnamed and len(unnamed) < len(references):
        raise UsageError(
            f"{unnamed[0]} is a plan and {next(name for name in references if name in names)} a defense; compare "
            f"defenses with defenses, or plans with plans (`bench list plans`)."
        )
    if unnamed:
        return (_of_plans([read_entry(store, store.find(reference)) for reference in unnamed]),)
    return _of_names(store, references, protocols, attacks)


def _of_plans(entries: Sequence[Entry]) -> Match:
    """The match of single plans, of several defenses under one attack or of several attacks on one defense;
    `UsageError` where they are neither, or not of the same samples and budget."""
    first, *others = (entry.plan for entry in entries)
    if not others:
        raise UsageError(f"Plan {first.digest[:12]} stands alone; a comparison needs at least two plans.")
    rivals = _are_attacks(entries)
    parts = [part for part in _WORDS if not (rivals and part == "attack")]
    for other in others:
        unequal = [part for part in parts if getattr(first, part) != getattr(other, part)]
        if unequal:
            told = [
                f"{_WORDS[part]} ({_short(first, other, part)} and {_short(other, first, part)})" for part in unequal
            ]
            raise UsageError(
                f"Plans {first.digest[:12]} and {other.digest[:12]} cannot be paired, for they differ in "
                f"{', '.join(told)}; name plans of the same samples under the same attack and budget."
            )
    for entry in entries:
        flaw = flaw_of(entry.result)
        if flaw:
            raise UsageError(f"Plan {entry.plan.digest[:12]} cannot be compared: it is {flaw}.")
    _check_images([entry.result for entry in entries])
    column = entries[0].column
    specs = [entry.plan.attack if rivals else entry.plan.defense for entry in entries]
    labels = _distinct([distinguished(spec, specs) for spec in specs], [entry.plan for entry in entries])
    sides = [
        Side(label, entry.plan.defense, {identity(column): (entry,)}, {})
        for label, entry in zip(labels, entries, strict=True)
    ]
    return Match(None, first, (column,), tuple(sides), rivals)


def _are_attacks(entries: Sequence[Entry]) -> bool:
    """Whether these plans are rival attacks: on one defense, the same samples and with one budget."""
    plans = [entry.plan for entry in entries]
    defenses, attacks = {identity(plan.defense) for plan in plans}, {identity(plan.attack) for plan in plans}
    return len(defenses) == 1 and len(attacks) == len(plans)


def _check_images(results: Sequence[Result]) -> None:
    """Images that were crafted on the same source are to be the same ones."""
    transferred = [result for result in results if result.plan.source is not None]
    for one, other in itertools.combinations(transferred, 2):
        if identity(one.plan.source) == identity(other.plan.source) and one.images != other.images:
            raise UsageError(
                f"Plans {one.plan.digest[:12]} and {other.plan.digest[:12]} cannot be paired: their images, both "
                f"crafted on {one.plan.source.name if one.plan.source else ''}, are not the same ones."
            )


def _of_names(
    store: Store, names: Sequence[str], protocols: Iterable[Protocol] | None, attacks: Sequence[str]
) -> tuple[Match, ...]:
    entries = read_entries(store)
    boards = [
        board for board in leaderboards(store, protocols, entries) if protocols is None or board.protocol is not None
    ]
    known = {column.attack.name for board in boards for column in board.columns}
    for attack in attacks:
        if attack not in known:
            raise UsageError(f"No leaderboard has results under {attack!r}.{closest(attack, known)}")
    seeds: dict[str, list[Entry]] = {}
    for entry in entries:
        seeds.setdefault(seedless(entry.plan), []).append(entry)
    found = []
    for board in boards:
        rows = [row for name in names for row in board.rows if row.defense.name == name]
        columns = tuple(column for column in board.columns if not attacks or column.attack.name in attacks)
        if {row.defense.name for row in rows} == set(names) and len(rows) > 1 and columns:
            specs = [row.defense for row in rows]
            sides = [_side(board, row, distinguished(row.defense, specs), seeds) for row in rows]
            if any(sum(identity(column) in side.runs for side in sides) > 1 for column in columns):
                found.append(Match(board, board.example, columns, tuple(sides)))
    if not found and len(names) == 1:
        raise UsageError(f"{names[0]} stands alone on every leaderboard; a comparison needs at least two defenses.")
    if not found:
        raise UsageError(
            f"{' and '.join(names)} share no finished and valid result on a leaderboard: the same attack, budget, "
            f"samples and source. Evaluate them under one protocol; `bench list plans` shows what there is."
        )
    return tuple(found)


def _side(board: Leaderboard, row: Row, label: str, seeds: Mapping[str, Sequence[Entry]]) -> Side:
    runs, gaps = {}, {}
    for place, (column, result) in enumerate(zip(board.columns, row.results, strict=True)):
        gap = gap_of(result, STRANGE if place in row.strange else "")
        if result is None or gap:
            gaps[identity(column)] = gap
            continue
        family = sorted(seeds[seedless(result.plan)], key=lambda entry: entry.plan.seed)
        runs[identity(column)] = tuple(entry for entry in family if not flaw_of(entry.result))
    return Side(label, row.defense, runs, gaps)


def _distinct(labels: Sequence[str], plans: Sequence[Plan]) -> list[str]:
    """The labels, with the source and then the plan's digest where they would not tell plans apart."""
    with_source = [
        label
        if labels.count(label) == 1
        else f"{label} ({plan.source.name + ' images' if plan.source else 'white box'})"
        for label, plan in zip(labels, plans, strict=True)
    ]
    return [
        label if with_source.count(label) == 1 else f"{label} {plan.digest[:8]}"
        for label, plan in zip(with_source, plans, strict=True)
    ]


def _short(plan: Plan, other: Plan, part: str) -> str:
    if part == "images":
        return plan.images[:8]
    mine = getattr(plan, part)
    return str(mine) if part == "threat" else distinguished(mine, [mine, getattr(other, part)])
