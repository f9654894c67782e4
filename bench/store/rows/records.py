"""Between rows of the tables and what the rest of bench speaks of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
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
        same = {name: value for name, value in vars(result).items() if name not in ("index", "outcomes")}
        return cls(number=result.index, finished=now(), **same)

    def row(self, plan: str, environment: str) -> dict[str, Any]:
        """The row of this shard, under the digests of its plan and of its environment."""
        facts = None if self.facts is None else self.facts.document()
        named = {"plan": plan, "environment": environment}
        return {**vars(self), **named, "remarks": list(self.remarks), "facts": facts}


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
        return ConflictRow(**vars(self))

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
