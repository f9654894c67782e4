"""Observers that remember, and one that does harm."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from bench.domain.outcome import ShardResult
from bench.domain.plan import Plan


@dataclass
class Memory:
    """What an evaluation told its observer."""

    pending: list[tuple[str, int]] = field(default_factory=list)
    stored: list[int] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def started(self, plan: Plan, role: str, total: int, pending: int) -> None:
        self.pending.append((role, pending))

    def progressed(self, digest: str, shard: int, done: float, total: float, note: str) -> None:
        self.notes.append(note)

    def ahead(self, left: Callable[[], tuple[float | None, int]]) -> None: ...

    def finished(self, plan: Plan, shard: int, result: ShardResult | None) -> None:
        if result is not None:
            self.stored.append(shard)


@dataclass
class Clairvoyant(Memory):
    """Always asks how much is left, and by how many workers."""

    told: list[tuple[float | None, int]] = field(default_factory=list)

    def ahead(self, left: Callable[[], tuple[float | None, int]]) -> None:
        self.told.append(left())


@dataclass
class Saboteur(Memory):
    """Does something when so many shards are stored, each thing once."""

    deeds: dict[int, Callable[[], object]] = field(default_factory=dict)

    def finished(self, plan: Plan, shard: int, result: ShardResult | None) -> None:
        super().finished(plan, shard, result)
        deed = self.deeds.pop(len(self.stored), None)
        if deed is not None:
            deed()
