"""Between rows of the tables and what the rest of bench speaks of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from bench.domain.outcome import Outcome, ShardResult
from bench.store.schema import ShardRow


@dataclass(frozen=True)
class ShardRecord:
    """What the store knows of a finished shard, its outcomes aside."""

    number: int
    perturbed_sha256: str
    invalid: str | None
    remarks: tuple[str, ...]
    forwards: int
    backwards: int
    seconds: float
    peak_memory: int
    finished: datetime
    environment: Mapping[str, Any]

    @classmethod
    def of_result(cls, result: ShardResult) -> ShardRecord:
        """What a shard that has just been finished will be known by."""
        return cls(
            number=result.index,
            perturbed_sha256=result.perturbed_sha256,
            invalid=result.invalid,
            remarks=result.remarks,
            forwards=result.forwards,
            backwards=result.backwards,
            seconds=result.seconds,
            peak_memory=result.peak_memory,
            finished=now(),
            environment=result.environment,
        )

    @classmethod
    def of_row(cls, row: ShardRow, environment: Mapping[str, Any]) -> ShardRecord:
        """What a row of the store says."""
        return cls(
            number=row.number,
            perturbed_sha256=row.perturbed_sha256,
            invalid=row.invalid,
            remarks=tuple(row.remarks),
            forwards=row.forwards,
            backwards=row.backwards,
            seconds=row.seconds,
            peak_memory=row.peak_memory,
            finished=row.finished,
            environment=environment,
        )

    def row(self, plan: str, environment: str) -> ShardRow:
        """The row of this shard, under the digests of its plan and of its environment."""
        return ShardRow(
            plan=plan,
            number=self.number,
            environment=environment,
            perturbed_sha256=self.perturbed_sha256,
            invalid=self.invalid,
            remarks=list(self.remarks),
            forwards=self.forwards,
            backwards=self.backwards,
            seconds=self.seconds,
            peak_memory=self.peak_memory,
            finished=self.finished,
        )


@dataclass(frozen=True)
class Stamp:
    """How many plans and shards a store holds, and which shard is the newest; equal while nothing has changed."""

    plans: int
    shards: int
    newest: int | None
    finished: datetime | None


def outcome_row(shard: int, position: int, outcome: Outcome) -> dict[str, Any]:
    """The row of an outcome, under its shard's id and its place in it."""
    return {
        "shard": shard,
        "position": position,
        "sample": outcome.index,
        "label": outcome.label,
        "clean": list(outcome.clean),
        "perturbed": list(outcome.perturbed),
        "distance": outcome.distance,
        "radius": outcome.radius,
        "minimal": outcome.minimal,
        "broken_at": outcome.broken_at,
    }


def now() -> datetime:
    """The time (UTC) as the tables hold it, without a zone."""
    return datetime.now(UTC).replace(tzinfo=None)
