"""What is left of all the plans of a call, and which shards wait for whose images."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

from bench.domain.plan import Plan, Shard
from bench.evaluation.running.run import Evaluation, Failure
from bench.evaluation.running.work import Work, remaining
from bench.store.rows.records import Conflict, ShardRecord
from bench.store.store import Store

if TYPE_CHECKING:
    from bench.evaluation.shard.errand import Errand


@dataclass
class Trip:
    """A shard of a plan that is to be run: its turn, the images that are `crafted` already, its errand once it has
    begun, and the seconds that its jobs have taken. One that is run `again` is stored, and only its images are gone."""

    plan: Plan
    shard: Shard
    rank: tuple[int, ...]
    crafted: str | None = None
    errand: Errand | None = None
    worked: float = 0.0
    again: bool = False


@dataclass
class _Entry:
    """A plan of the call: where it stands in it, which of its shards are left, and when its first job began, be it one
    that crafts images for it."""

    evaluation: Evaluation
    positions: list[int]
    left: set[int]
    since: float | None = None


@dataclass
class Agenda:
    """The shards to run, and what becomes of the plans as shards end.

    Images are crafted once for all plans that wait for them, and have the turn of the first of these. `uncrafted` are
    the shards of each plan for which images were or are to be crafted.
    """

    trips: list[Trip] = field(default_factory=list)
    uncrafted: dict[str, frozenset[int]] = field(default_factory=dict)
    _entries: dict[str, _Entry] = field(default_factory=dict)
    _crafting: dict[str, Plan] = field(default_factory=dict)
    _told: set[str] = field(default_factory=set)
    _waits: dict[tuple[str, int], list[tuple[str, Shard]]] = field(default_factory=dict)
    _over: list[_Entry] = field(default_factory=list)

    @classmethod
    def of(cls, plans: Sequence[Plan], store: Store, only: frozenset[int] | None = None) -> Agenda:
        """What the store lacks of some plans, or of `only` these of their shards."""
        agenda, holds = cls(), cache(store.artifacts.holds)
        for position, plan in enumerate(plans):
            if plan.digest in agenda._entries:
                agenda._entries[plan.digest].positions.append(position)
            else:
                agenda._enter(position, plan, remaining(plan, store, only, holds))
        agenda._order()
        return agenda

    def _enter(self, position: int, plan: Plan, work: Work) -> None:
        left = {shard.index for shard in (*work.ready, *work.to_craft)}
        entry = self._entries[plan.digest] = _Entry(Evaluation(plan), [position], left)
        if not left:
            self._over.append(entry)
        for shard in work.ready:
            self.trips.append(Trip(plan, shard, (position, 1, shard.index), work.crafted.get(shard.index)))
        if work.crafting is not None:
            self.uncrafted[plan.digest] = frozenset(shard.index for shard in work.to_craft)
            for shard in work.to_craft:
                self._crafting.setdefault(work.crafting.digest, work.crafting)
                self._waits.setdefault((work.crafting.digest, shard.index), []).append((plan.digest, shard))

    def _order(self) -> None:
        """Crafting comes at the turn of the first that waits for it."""
        known = {(trip.plan.digest, trip.shard.index): trip for trip in self.trips}
        for key, waiting in self._waits.items():
            digest, shard = waiting[0]
            rank = (self._entries[digest].positions[0], 0, shard.index)
            if key in known:
                known[key].rank = min(rank, known[key].rank)
            else:
                self.trips.append(Trip(self._crafting[key[0]], shard, rank))
        self.trips.sort(key=lambda trip: trip.rank)

    def begun(self, plan: Plan) -> tuple[str, int, int] | None:
        """What is to be told of a plan at its first shard: what for, how many shards it has and how many are run."""
        entry = self._entries.get(plan.digest)
        if plan.digest in self._told or (entry is None and plan.digest not in self._crafting):
            return None
        self._told.add(plan.digest)
        waiting = {first for (digest, _), ((first, _), *_) in self._waits.items() if digest == plan.digest}
        for begun in [entry] if entry else [self._entries[digest] for digest in waiting]:
            begun.since = begun.since or time.monotonic()
        if entry is None:
            return "crafting", len(plan.shards()), sum(trip.plan.digest == plan.digest for trip in self.trips)
        needed = {index for digest, index in self._waits if digest == plan.digest}
        return "judging", len(plan.shards()), len(entry.left | needed)

    def left(self) -> list[tuple[Plan, int]]:
        """The plans of which shards are left, and how many; those whose images others wait for among them."""
        found = {digest: len(entry.left) for digest, entry in self._entries.items() if entry.left}
        for digest, index in self._waits:
            entry = self._entries.get(digest)
            if entry is None or index not in entry.left:
                found[digest] = found.get(digest, 0) + 1
        plans = {**self._crafting, **{digest: entry.evaluation.plan for digest, entry in self._entries.items()}}
        return [(plans[digest], count) for digest, count in found.items()]

    def done(self, trip: Trip, crafted: str, conflict: Conflict | None, here: bool = True) -> list[Trip]:
        """A shard was stored, `here` or by another run; those that waited for its images, which are `crafted` now."""
        entry, waiting = self._entries.get(trip.plan.digest), self._waits.pop(_key(trip), [])
        if entry is not None and trip.shard.index in entry.left:
            entry.evaluation.computed += here
            self._strike(entry, trip.shard.index)
        elif waiting:
            entry = self._entries[waiting[0][0]]
            entry.evaluation.crafted += here
        if conflict is not None and entry is not None:
            entry.evaluation.conflicts.append(conflict)
        return [
            Trip(found.evaluation.plan, shard, (found.positions[0], 1, shard.index), crafted)
            for found, shard in ((self._entries[digest], shard) for digest, shard in waiting)
        ]

    def lacks_images(self, trip: Trip, record: ShardRecord, store: Store) -> bool:
        """Whether a stored shard must be run again, for others wait for its images and these are gone."""
        return _key(trip) in self._waits and not store.artifacts.holds(record.perturbed_sha256)

    def following(self, trip: Trip) -> list[int]:
        """The plan's shards that are left and come after this one, in their order."""
        entry, digest = self._entries.get(trip.plan.digest), trip.plan.digest
        left = {index for plan, index in self._waits if plan == digest} | (entry.left if entry else set())
        return sorted(index for index in left if index > trip.shard.index)

    def craft_first(self, trip: Trip) -> Trip | None:
        """The images of a shard are gone since the agenda was made: it waits for others; where nobody crafts these yet,
        the trip that does."""
        crafting = trip.plan.crafting()
        assert crafting is not None  # it has images of another plan
        key = crafting.digest, trip.shard.index
        is_new = key not in self._waits
        self._crafting.setdefault(crafting.digest, crafting)
        self._waits.setdefault(key, []).append((trip.plan.digest, trip.shard))
        known = self.uncrafted.get(trip.plan.digest, frozenset())
        self.uncrafted[trip.plan.digest] = known | {trip.shard.index}
        return Trip(crafting, trip.shard, (trip.rank[0], 0, trip.shard.index)) if is_new else None

    def is_left(self, trip: Trip) -> bool:
        """Whether a shard is still to be run."""
        entry = self._entries.get(trip.plan.digest)
        return _key(trip) in self._waits or (entry is not None and trip.shard.index in entry.left)

    def elsewhere(self, plan: Plan, shard: Shard) -> bool:
        """A shard was stored on the way of another plan's; whether it was one of those to run."""
        entry = self._entries.get(plan.digest)
        if entry is None or shard.index not in entry.left:
            return False
        self._strike(entry, shard.index)
        return True

    def failed(self, trip: Trip, sentence: str, details: str) -> None:
        """A shard has no result, and so neither have those that wait for its images."""
        failure = Failure(trip.shard.index, sentence, details)
        for digest in (trip.plan.digest, *(digest for digest, _ in self._waits.pop(_key(trip), []))):
            entry = self._entries.get(digest)
            if entry is not None and failure.shard in entry.left:
                entry.evaluation.failures.append(failure)
                self._strike(entry, failure.shard)

    def ended(self) -> Iterator[tuple[int, Evaluation]]:
        """The plans of which nothing is left any more, by their position in the call, each once."""
        while self._over:
            entry = self._over.pop(0)
            evaluation = entry.evaluation
            evaluation.seconds = 0.0 if entry.since is None else time.monotonic() - entry.since
            yield entry.positions[0], evaluation
            for position in entry.positions[1:]:
                yield position, Evaluation(evaluation.plan, failures=list(evaluation.failures))

    def _strike(self, entry: _Entry, shard: int) -> None:
        entry.left.discard(shard)
        if not entry.left:
            self._over.append(entry)


def _key(trip: Trip) -> tuple[str, int]:
    return trip.plan.digest, trip.shard.index
