"""An observer that remembers."""

from __future__ import annotations

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

    def finished(self, plan: Plan, shard: int, result: ShardResult | None) -> None:
        if result is not None:
            self.stored.append(shard)
