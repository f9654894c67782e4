"""From a store to leaderboards: rows, columns, and what counts for the worst case."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.analysis.boards.grouping import Group, defense_of, grouped, place_of
from bench.analysis.boards.images import strangers
from bench.analysis.boards.ranking import ranked
from bench.analysis.boards.rows import Row, make_row
from bench.analysis.boards.tagging import tagged
from bench.analysis.evidence.assurance import LEVELS, Assurance
from bench.analysis.results.entries import Entry, read_entries
from bench.analysis.specs import Column, identity
from bench.domain.plan import UNTOUCHED, Plan, Spec
from bench.protocols import Protocol, builtin_protocols

if TYPE_CHECKING:
    from bench.analysis.results.summary import Result
    from bench.store.store import Store


@dataclass(frozen=True)
class Leaderboard:
    """Rows that may be compared: same samples, seeds, draws and source.

    `protocol` is None where the settings are nobody's. `example` is any of the plans, for the settings that all
    share; `source` is None for white box. `missing` names the protocol's attacks that no row has yet. `aside` are the
    columns that no worst case counts, for most rows have nothing in them. Without columns the images were judged as
    they are. `adapted` says whether the store holds an adaptive attack on any of the rows.
    """

    protocol: Protocol | None
    source: Spec | None
    example: Plan
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    missing: tuple[str, ...]
    aside: tuple[Column, ...] = ()
    adapted: bool = True

    @property
    def assurances(self) -> tuple[str, ...]:
        """What its valid results are called, each once."""
        return tuple(
            each.text for each in sorted(self._evidence, key=lambda each: (LEVELS.index(each.level), each.qualifiers))
        )

    @property
    def words(self) -> tuple[str, ...]:
        """The words in these names, each once: the levels, then what qualifies them."""
        levels = sorted({each.level for each in self._evidence}, key=LEVELS.index)
        return (*levels, *sorted({word for each in self._evidence for word in each.qualifiers} - {*levels}))

    @property
    def _evidence(self) -> set[Assurance]:
        return {result.assurance for row in self.rows for result in row.found if not result.invalid}

    @property
    def is_adaptive(self) -> bool:
        """Whether all that it counts are adaptive attacks on the defense itself."""
        found = {identity(result.plan.attack): result.plan for row in self.rows for result in row.found}
        plans = [found[identity(column.attack)] for column in self.counted]
        return bool(plans) and all(plan.knowledge == "adaptive" and plan.source is None for plan in plans)

    @property
    def counted(self) -> tuple[Column, ...]:
        """The columns that the worst case is over: those of attacks, but for what stands aside."""
        return tuple(column for column in self.columns if column not in self.aside and self._is_attack(column))

    def _is_attack(self, column: Column) -> bool:
        at = self.columns.index(column)
        found = [row.results[at] for row in self.rows]
        return any(result is not None and result.plan.knowledge != "certified" for result in found)


def leaderboards(
    store: Store,
    protocols: Iterable[Protocol] | None = None,
    entries: Sequence[Entry] | None = None,
    tags: Sequence[str] = (),
) -> tuple[Leaderboard, ...]:
    """All leaderboards of a store: those of adaptive attacks, of the protocols (the built-in ones by default), then the
    others.

    A plan counts for every protocol that covers it. Plans that none covers make leaderboards of their own settings,
    on which other plans with the same attacks, budgets and settings stand too. A leaderboard that would only repeat
    plans of fuller ones is left out, unless it is that of a protocol of somebody's own. Plans that differ only in their
    seed stand in one place, that of the seed which the protocol names or else of a built-in protocol's or the lowest
    one, as a `Spread`; of plans that differ only in the bench that ran them the newest counts.

    Untouched images are no attack: they are the clean accuracy of the rows of the same settings. Those that no row
    has make leaderboards without columns. With `tags` only plans that carry all of them stand there; what is doubtful
    about these is still told from everything that the store holds.
    """
    entries = read_entries(store) if entries is None else entries
    shown = tagged(entries, tags)
    groups = grouped(shown, builtin_protocols().values() if protocols is None else protocols)
    known = Known(entries, shown)
    boards = [_board(group, known) for group in groups]
    return tuple(sorted(boards, key=lambda board: not board.is_adaptive))


class Known:
    """All that a store holds, for what must be asked beyond one leaderboard."""

    def __init__(self, entries: Sequence[Entry], shown: Sequence[Entry]) -> None:
        self._shown = {entry.plan.digest for entry in shown}
        self.results = {entry.plan.digest: entry.result for entry in entries}
        self._by_defense: dict[Hashable, list[Entry]] = {}
        for entry in entries:
            self._by_defense.setdefault(self._key(entry), []).append(entry)

    def others(self, members: Sequence[Entry]) -> list[Entry]:
        """The other evaluations of a row's defense on the same data set."""
        own = {entry.plan.digest for entry in members}
        found = self._by_defense[self._key(members[0])] if members else ()
        return [entry for entry in found if entry.plan.digest not in own]

    def hidden(self, members: Sequence[Entry]) -> list[Entry]:
        """Of the others those that belong into the row and are not shown."""
        rows = {(place_of(entry), identity(entry.plan.source)) for entry in members}
        return [
            entry
            for entry in self.others(members)
            if entry.plan.digest not in self._shown and (place_of(entry), identity(entry.plan.source)) in rows
        ]

    def levels(self, defense: tuple[str, str], group: Group) -> set[str]:
        """How strong the evidence is that counts for a defense on a group's data set, on whatever board."""
        plan = [*group.entries, *group.untouched][0].result.plan
        found = self._by_defense.get((*defense, identity(plan.dataset)), ())
        return {entry.result.assurance.level for entry in found if entry.result.counts}

    @staticmethod
    def _key(entry: Entry) -> Hashable:
        plan = entry.plan
        return (*defense_of(plan), identity(plan.dataset))


def _by_number(attack: Spec) -> list[tuple[str, float]]:
    """Settings that are numbers, for an order in which 2 steps come before 10."""
    return [(key, float(value)) for key, value in sorted(attack.params.items()) if isinstance(value, int | float)]


def _board(group: Group, known: Known) -> Leaderboard:
    """The group as a leaderboard."""
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
        by_defense.setdefault(defense_of(entry.plan), []).append(entry)
    columns.sort(key=place)
    untouched = {defense_of(entry.plan): entry for entry in group.untouched}
    attacked = [entry.column for entry in group.entries if entry.plan.knowledge != "certified"]
    counted = [column for column in columns if column in attacked] or columns
    aside = [] if group.protocol else _rare(counted, list(by_defense.values()))
    strange = _strange(group, known.results)
    levels = {key: known.levels(key, group) for key in (by_defense or untouched)}
    adapted = any("adaptive" in each for each in levels.values())
    rows = [
        make_row(
            members := by_defense.get(key, []),
            columns,
            [column for column in counted if column not in aside],
            untouched=untouched.get(key),
            elsewhere=known.others(members),
            hidden=known.hidden(members),
            strange=strange,
            adapted=not adapted or bool(levels[key] & {"adaptive", "certified"}),
        )
        for key in (by_defense or untouched)
    ]
    run = {column.attack.name for column in columns}
    return Leaderboard(
        protocol=group.protocol,
        source=group.source,
        example=[*group.entries, *group.untouched][0].result.plan,
        columns=tuple(columns),
        rows=ranked(rows),
        adapted=adapted,
        missing=tuple(name for name in order if name not in run and name != UNTOUCHED.name),
        aside=tuple(aside),
    )


def _rare(columns: Sequence[Column], rows: Sequence[Sequence[Entry]]) -> list[Column]:
    """The columns in which at most half of the rows have anything; none of them where that is all."""
    held = [[identity(entry.column) for entry in row] for row in rows]
    rare = [column for column in columns if 2 * sum(identity(column) in row for row in held) <= len(rows)]
    return rare if len(rare) < len(columns) else []


def _strange(group: Group, known: Mapping[str, Result]) -> dict[str, str]:
    """Of the plans whose images came from the group's source, those that met other ones; see `strangers`."""
    if group.source is None:
        return {}
    by_column: dict[str, list[Result]] = {}
    for entry in group.entries:
        by_column.setdefault(identity(entry.column), []).append(entry.result)
    return {digest: whose for found in by_column.values() for digest, whose in strangers(found, known).items()}
