"""Between rows of the tables and what the rest of bench speaks of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from typing import Any

from bench.domain.facts import Facts
from bench.domain.outcome import Outcome, ShardResult
from bench.store.database.schema import ConflictRow

HERE = "a run of this store"
"""The origin of what no other store has brought."""


@dataclass(frozen=True)
class ShardRecord:
    """What the store knows of a finished shard, its outcomes aside.

    `origin` names the store that it was merged from; None where a run of this one computed it. `claimed`: it was merged
    although not everything about it that needs no model could be checked. `facts` None: an older bench measured it.
    """

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
    facts: Facts | None = None
    origin: str | None = None
    claimed: bool = False

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
            facts=result.facts,
        )

    def row(self, plan: str, environment: str) -> dict[str, Any]:
        """The row of this shard, under the digests of its plan and of its environment."""
        return {
            "plan": plan,
            "number": self.number,
            "environment": environment,
            "perturbed_sha256": self.perturbed_sha256,
            "invalid": self.invalid,
            "remarks": list(self.remarks),
            "forwards": self.forwards,
            "backwards": self.backwards,
            "seconds": self.seconds,
            "peak_memory": self.peak_memory,
            "finished": self.finished,
            "facts": None if self.facts is None else self.facts.document(),
            "origin": self.origin,
            "claimed": self.claimed,
        }


Whole = tuple[ShardRecord, Sequence[Outcome]]
"""A finished shard with its outcomes."""


@dataclass(frozen=True)
class Conflict:
    """A shard of the plan with the digest `plan` that came out otherwise elsewhere than the one that is kept here.

    `origin` is `HERE` or the name of another store, `environment` where that other shard was computed. `samples` of
    `compared` samples differ; none where the two shards only disagree on whether they are evidence.
    """

    plan: str
    number: int
    origin: str
    samples: int
    compared: int
    sentence: str
    environment: Mapping[str, Any]
    found: datetime

    def row(self) -> ConflictRow:
        """The row of this conflict."""
        return ConflictRow(**{each.name: getattr(self, each.name) for each in fields(self)})

    def document(self) -> dict[str, Any]:
        """The conflict as plain JSON data."""
        return {**asdict(self), "found": self.found.isoformat()}


@dataclass(frozen=True)
class Cost:
    """What one finished shard took; `device` is what it ran on, None where another store has brought it."""

    number: int
    forwards: int
    backwards: int
    seconds: float
    peak_memory: int
    device: str | None


@dataclass(frozen=True)
class Stamp:
    """How many plans, shards and conflicts a store holds, and which shard is the newest; equal while nothing has
    changed."""

    plans: int
    shards: int
    newest: int | None
    finished: str | None
    conflicts: int


def now() -> datetime:
    """The time (UTC) as the tables hold it, without a zone."""
    return datetime.now(UTC).replace(tzinfo=None)
