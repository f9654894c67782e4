"""From a store to leaderboards: which plans stand side by side, and under which protocol."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from bench.domain.errors import BenchError
from bench.domain.plan import Assurance, Plan, Spec
from bench.protocols import Protocol, builtin_protocols, covers
from bench.protocols.protocol import SETTINGS
from bench.registry import attacks, datasets
from bench.report.rows import Column, Entry, Row, identity, make_row, ranked, read_entry
from bench.report.seeds import seedless, spread
from bench.settings import spell_out

if TYPE_CHECKING:
    from bench.store.store import Store


@dataclass(frozen=True)
class Leaderboard:
    """Rows that may be compared: same samples, seeds, draws and source.

    `protocol` is None where the settings are nobody's. `example` is any of the plans, for the settings that all
    share; `source` is None for white box. `missing` names the protocol's attacks that no row has yet.
    """

    protocol: Protocol | None
    source: Spec | None
    example: Plan
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    missing: tuple[str, ...]

    @property
    def assurances(self) -> tuple[Assurance, ...]:
        """The kinds of evidence behind its valid results, each once."""
        found = {result.assurance for row in self.rows for result in row.found if not result.invalid}
        return tuple(sorted(found))


@dataclass(frozen=True)
class Group:
    """Entries that will stand on one leaderboard."""

    protocol: Protocol | None
    source: Spec | None
    entries: list[Entry]


def leaderboards(store: Store, protocols: Iterable[Protocol] | None = None) -> tuple[Leaderboard, ...]:
    """All leaderboards of a store: those of the protocols (the built-in ones by default), then the others.

    A plan counts for every protocol that covers it. Plans that none covers make leaderboards of their own settings,
    on which other plans with the same attacks, budgets and settings stand too. A leaderboard that would only repeat
    plans of fuller ones is left out. Plans that differ only in their seed stand in one place, that of the seed which a
    protocol names or of the lowest one, as a `Spread`.
    """
    entries = _gathered([read_entry(store, plan) for plan in store.plans()])
    known = [_spelled_out(protocol) for protocol in (builtin_protocols().values() if protocols is None else protocols)]
    groups = _groups(entries, known)
    shown: set[str] = set()
    kept: set[int] = set()
    for number, group in sorted(enumerate(groups), key=lambda numbered: -len(numbered[1].entries)):
        digests = {entry.result.plan.digest for entry in group.entries}
        if digests - shown:
            shown |= digests
            kept.add(number)
    return tuple(_board(group) for number, group in enumerate(groups) if number in kept)


def _gathered(entries: Sequence[Entry]) -> list[Entry]:
    """The entries, those that differ only in their seed as one with a spread over the finished and valid ones."""
    usual = {protocol.seed for protocol in builtin_protocols().values()}
    by_plan: dict[str, list[Entry]] = {}
    for entry in entries:
        by_plan.setdefault(seedless(entry.result.plan), []).append(entry)
    gathered = []
    for family in by_plan.values():
        first = min(family, key=lambda entry: (entry.result.plan.seed not in usual, entry.result.plan.seed))
        whole = [entry for entry in family if entry.result.complete and not entry.result.invalid]
        if len(whole) > 1 and first in whole:
            found = spread([(entry.result.plan, entry.outcomes) for entry in whole])
            first = replace(first, result=replace(first.result, spread=found))
        gathered.append(first)
    return gathered


def _groups(entries: Sequence[Entry], known: Sequence[Protocol]) -> list[Group]:
    """The candidates for leaderboards: a protocol's in the order of the protocols, then those of other settings."""
    budgets = {name: _budgets(name) for name in {entry.result.plan.dataset.name for entry in entries}}
    own: dict[Hashable, Group] = {}
    listed: list[dict[Hashable, Group]] = [{} for _ in known]
    for entry in entries:
        plan = entry.result.plan
        covering = [
            number for number, protocol in enumerate(known) if covers(protocol, plan, budgets[plan.dataset.name])
        ]
        for number in covering:
            protocol = known[number]
            source = plan.defense if plan.source is None and protocol.source else plan.source
            key = (_setting(plan), identity(source))
            listed[number].setdefault(key, Group(protocol, source, [])).entries.append(entry)
        if not covering:
            own.setdefault((_setting(plan), identity(plan.source)), Group(None, plan.source, [])).entries.append(entry)
    for group in own.values():
        _join(group, entries)
    return [group for groups in (*listed, own) for group in groups.values()]


def _join(group: Group, entries: Iterable[Entry]) -> None:
    """Add the other plans that fit, among them the white-box row of the source whose images the group reads."""
    columns = {identity(entry.column) for entry in group.entries}
    present = {entry.result.plan.digest for entry in group.entries}
    setting, source = _setting(group.entries[0].result.plan), identity(group.source)
    for entry in entries:
        plan = entry.result.plan
        is_source = plan.source is None and identity(plan.defense) == source
        fits = _setting(plan) == setting and identity(entry.column) in columns
        if fits and plan.digest not in present and (is_source or identity(plan.source) == source):
            group.entries.append(entry)


def _setting(plan: Plan) -> Hashable:
    """What all plans of a leaderboard share, the source aside; corruptions, which nobody intends, stand apart."""
    shared = (getattr(plan, setting) for setting in SETTINGS)
    return (identity(plan.dataset), plan.images, plan.threat.norm == "corruption", *shared)


def _spelled_out(protocol: Protocol) -> Protocol:
    """The protocol with every setting of its attacks, so that a plan with another one is not taken for its own."""
    spelled = []
    for attack in protocol.attacks:
        try:
            params: Mapping[str, Any] = spell_out(attacks.make(attack.name, attack.params))
        except BenchError:
            params = attack.params  # not installed here: what the protocol lists must do
        spelled.append(replace(attack, params=params))
    return replace(protocol, attacks=tuple(spelled))


def _budgets(dataset: str) -> Mapping[str, str]:
    """What is customary on a data set that is registered; one that is a file or a module is not run for it."""
    if not datasets.holds(dataset.partition(":")[0]):
        return {}
    try:
        return datasets.find(dataset).budgets
    except BenchError:
        return {}  # its plugin is not installed here, so nothing is customary


def _by_number(attack: Spec) -> list[tuple[str, float]]:
    """Settings that are numbers, for an order in which 2 steps come before 10."""
    return [(key, float(value)) for key, value in sorted(attack.params.items()) if isinstance(value, int | float)]


def _board(group: Group) -> Leaderboard:
    order = [attack.name for attack in group.protocol.attacks] if group.protocol else []

    def place(column: Column) -> tuple[Any, ...]:
        listed = order.index(column.attack.name) if order else 0
        threat, attack = column.threat, column.attack
        return listed, threat.norm, threat.epsilon, attack.name, _by_number(attack), identity(attack)

    columns: list[Column] = []
    by_defense: dict[tuple[str, str], list[Entry]] = {}
    for entry in group.entries:
        if entry.column not in columns:
            columns.append(entry.column)
        plan = entry.result.plan
        by_defense.setdefault((identity(plan.defense), plan.precision), []).append(entry)
    columns.sort(key=place)
    attacked = [entry.column for entry in group.entries if entry.result.plan.knowledge != "certified"]
    counted = [column for column in columns if column in attacked] or columns
    rows = [make_row(members, columns, counted) for members in by_defense.values()]
    run = {column.attack.name for column in columns}
    return Leaderboard(
        protocol=group.protocol,
        source=group.source,
        example=group.entries[0].result.plan,
        columns=tuple(columns),
        rows=ranked(rows),
        missing=tuple(name for name in order if name not in run),
    )
