"""What a store holds of its plans, read once: every plan's figures and the outcomes behind them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from bench.analysis.results.summary import Result, read, summarise
from bench.analysis.specs import Column
from bench.domain.labels import Labels
from bench.domain.outcomes import Outcomes

if TYPE_CHECKING:
    from bench.domain.plan import Plan
    from bench.store.rows.outcomes import Shared
    from bench.store.rows.records import Conflict
    from bench.store.store import Store


class Entry(NamedTuple):
    """A plan's result with its outcomes, which comparing it needs."""

    result: Result
    outcomes: Outcomes

    @property
    def plan(self) -> Plan:
        """The plan whose result it is."""
        return self.result.plan

    @property
    def column(self) -> Column:
        """Where it stands on a leaderboard."""
        return Column(self.plan.attack, self.plan.threat)


Judged = tuple[Result, Outcomes]
"""An entry, or its two parts."""


def read_entry(store: Store, plan: Plan) -> Entry:
    """The entry of a plan with at least one finished shard."""
    outcomes = store.table(plan)
    return Entry(read(store, plan, outcomes), outcomes)


def read_entries(store: Store) -> list[Entry]:
    """The entries of all plans of a store; what their outcomes have in common is in memory once."""
    conflicts: dict[str, list[Conflict]] = {}
    for conflict in store.conflicts():
        conflicts.setdefault(conflict.plan, []).append(conflict)
    shared: Shared = {}
    labels = store.labels.all()
    entries = []
    for plan in store.plans():
        outcomes = store.table(plan, shared)
        written = labels.get(plan.digest, Labels())
        found = summarise(plan, outcomes, store.shards(plan), conflicts.get(plan.digest, ()), written)
        entries.append(Entry(found, outcomes))
    return entries
