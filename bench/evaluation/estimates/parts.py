"""Which row of a call has which work: what several rows need is done once, by the first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from bench.domain.plan import Plan, Shard
from bench.evaluation.running.work import Work, remaining
from bench.store.store import Store


@dataclass(frozen=True)
class Part:
    """Shards of a plan that a row runs, and those of them whose untouched images are judged on the way."""

    plan: Plan
    shards: tuple[Shard, ...]
    untouched: frozenset[int]

    @property
    def samples(self) -> int:
        """How many images that is."""
        return sum(len(shard.indices) for shard in self.shards)

    @property
    def crafts(self) -> bool:
        """Whether an attack runs."""
        return not self.plan.is_untouched and self.plan.source is None


@dataclass(frozen=True)
class Row:
    """A plan of a call and what is left of it: its `own` shards, and those of its source's plan that are crafted for it
    `first`. `elsewhere`: an earlier row does some of what it needs."""

    plan: Plan
    work: Work
    own: Part
    first: Part | None
    elsewhere: bool

    @property
    def parts(self) -> tuple[Part, ...]:
        """Its parts with any work, in the order in which they are run."""
        return tuple(part for part in (self.first, self.own) if part is not None and part.shards)


def rows_of(plans: Sequence[Plan], store: Store) -> list[Row]:
    """What a store lacks of the plans of a call, by row."""
    works, holds = [], cache(store.artifacts.holds)
    owned: dict[tuple[str, int], int] = {}
    for position, plan in enumerate(plans):
        works.append(remaining(plan, store, None, holds))
        for shard in (*works[-1].ready, *works[-1].to_craft):
            owned.setdefault((plan.digest, shard.index), position)
    judged = Judged(store, set(owned))
    rows: list[Row] = []
    for position, (plan, work) in enumerate(zip(plans, works, strict=True)):
        left = sorted((*work.ready, *work.to_craft), key=lambda shard: shard.index)
        mine = tuple(shard for shard in left if owned[plan.digest, shard.index] == position)
        elsewhere, first = len(mine) < len(left), None
        if work.crafting is not None and work.to_craft:
            digest = work.crafting.digest
            ours = tuple(
                shard for shard in work.to_craft if owned.setdefault((digest, shard.index), position) == position
            )
            elsewhere = elsewhere or len(ours) < len(work.to_craft)
            first = Part(work.crafting, ours, judged.missing(work.crafting, ours))
        rows.append(Row(plan, work, Part(plan, mine, judged.missing(plan, mine)), first, elsewhere))
    return rows


class Judged:
    """Untouched images whose judging is stored, or belongs to a row."""

    def __init__(self, store: Store, taken: set[tuple[str, int]]) -> None:
        self._store, self._taken = store, taken
        self._known: set[str] = set()

    def missing(self, plan: Plan, shards: Sequence[Shard]) -> frozenset[int]:
        """The shards whose untouched images nobody has judged yet; from now on they are taken."""
        if plan.is_untouched:
            return frozenset()
        untouched = plan.untouched()
        if untouched.digest not in self._known:
            self._known.add(untouched.digest)
            self._taken |= {(untouched.digest, number) for number in self._store.shard_numbers(untouched)}
        found = {shard.index for shard in shards if (untouched.digest, shard.index) not in self._taken}
        self._taken |= {(untouched.digest, number) for number in found}
        return frozenset(found)
