"""Reads and writes plans, shards and outcomes; a finished shard is one transaction."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import JSON, Text, cast, delete, func, insert, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from bench.domain.errors import StoreError, UsageError
from bench.domain.outcome import Outcome, ShardResult
from bench.domain.outcomes import Outcomes
from bench.domain.plan import Plan, Shard
from bench.store.artifacts import Artifacts
from bench.store.connect import connect, writing
from bench.store.schema import EnvironmentRow, OutcomeRow, PlanRow, ShardRow

# What an outcome is made of, in the order of its fields.
_OUTCOME = (
    *(OutcomeRow.sample, OutcomeRow.label, OutcomeRow.clean, OutcomeRow.perturbed),
    *(OutcomeRow.distance, OutcomeRow.radius, OutcomeRow.minimal, OutcomeRow.broken_at),
)


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


class Store:
    """The results: `Store("results.db")`, or any SQLAlchemy URL. Crafted images lie beside it, in `artifacts`."""

    def __init__(self, location: str | Path, *, create: bool = True) -> None:
        self.location = str(location)
        self._engine = connect(location, create=create)
        database = self._engine.url.database if self._engine.dialect.name == "sqlite" else None
        beside = Path(database).with_suffix(".artifacts") if database else Path("results.artifacts")
        self.artifacts = Artifacts(beside)

    def plans(self) -> list[Plan]:
        """All plans with at least one finished shard, oldest first."""
        finished = select(ShardRow.plan).distinct()
        query = select(PlanRow.document).where(PlanRow.digest.in_(finished)).order_by(PlanRow.created, PlanRow.digest)
        with self._session() as session:
            return [Plan.from_document(document) for document in session.scalars(query)]

    def find(self, prefix: str) -> Plan:
        """The one plan whose digest starts with `prefix`; `UsageError` when none or several do."""
        matches = [plan for plan in self.plans() if plan.digest.startswith(prefix.lower())]
        if len(matches) == 1:
            return matches[0]
        if matches:
            raise UsageError(f"{len(matches)} plans start with {prefix!r}; give more of the digest.")
        raise UsageError(f"No plan in {self.location} starts with {prefix!r}; `bench list plans` shows them.")

    def pending(self, plan: Plan) -> tuple[Shard, ...]:
        """The plan's shards that are not in the store yet."""
        with self._session() as session:
            done = set(session.scalars(select(ShardRow.number).where(ShardRow.plan == plan.digest)))
        return tuple(shard for shard in plan.shards() if shard.index not in done)

    def add(self, plan: Plan, result: ShardResult) -> None:
        """Commit a finished shard, whole; an earlier result of the same shard is replaced."""
        with self._session(writes=True) as session, session.begin():
            self._add_plan(session, plan)
            environment = self._add_environment(session, result.environment)
            session.execute(delete(ShardRow).where(ShardRow.plan == plan.digest, ShardRow.number == result.index))
            row = ShardRow(
                plan=plan.digest,
                number=result.index,
                environment=environment,
                perturbed_sha256=result.perturbed_sha256,
                invalid=result.invalid,
                remarks=list(result.remarks),
                forwards=result.forwards,
                backwards=result.backwards,
                seconds=result.seconds,
                peak_memory=result.peak_memory,
                finished=_now(),
            )
            session.add(row)
            session.flush()
            session.execute(insert(OutcomeRow), [_outcome_row(row.id, *pair) for pair in enumerate(result.outcomes)])

    def outcomes(self, plan: Plan) -> tuple[Outcome, ...]:
        """The outcomes of all finished shards, in the plan's order."""
        query = (
            select(*_OUTCOME)
            .join(ShardRow, ShardRow.id == OutcomeRow.shard)
            .where(ShardRow.plan == plan.digest)
            .order_by(ShardRow.number, OutcomeRow.position)
        )
        with self._session() as session:
            return tuple(
                Outcome(row[0], row[1], tuple(row[2]), tuple(row[3]), *row[4:]) for row in session.execute(query)
            )

    def table(self, plan: Plan) -> Outcomes:
        """The same outcomes as arrays, read several times faster."""
        columns = [cast(column, Text) if isinstance(column.type, JSON) else column for column in _OUTCOME]
        query = (
            select(*columns)
            .join(ShardRow, ShardRow.id == OutcomeRow.shard)
            .where(ShardRow.plan == plan.digest)
            .order_by(ShardRow.number, OutcomeRow.position)
        )
        with self._session() as session:
            rows = session.connection().execute(query).all()
        found = list(zip(*rows, strict=True)) if rows else [()] * len(_OUTCOME)
        predictions = (json.loads(f"[{','.join(texts)}]") for texts in found[2:4])
        return Outcomes.of_columns(found[0], found[1], *predictions, *found[4:])

    def shards(self, plan: Plan) -> tuple[ShardRecord, ...]:
        """The finished shards in order: cost, remarks, validity, environment."""
        query = (
            select(ShardRow, EnvironmentRow.document)
            .join(EnvironmentRow, EnvironmentRow.digest == ShardRow.environment)
            .where(ShardRow.plan == plan.digest)
            .order_by(ShardRow.number)
        )
        with self._session() as session:
            return tuple(_record(row, environment) for row, environment in session.execute(query))

    def __repr__(self) -> str:
        with self._session() as session:
            plans = session.scalar(select(func.count()).select_from(PlanRow))
        return f"Store({self.location!r}: {plans} plans)"

    @contextmanager
    def _session(self, writes: bool = False) -> Iterator[Session]:
        try:
            with Session(writing(self._engine) if writes else self._engine) as session:
                yield session
        except DBAPIError as error:
            raise StoreError(
                f"The store {self.location} could not be read or written ({error.orig}); finished shards are kept. "
                f"Mend the cause, then run the same command again."
            ) from None

    @staticmethod
    def _add_plan(session: Session, plan: Plan) -> None:
        if session.get(PlanRow, plan.digest) is None:
            row = PlanRow(
                digest=plan.digest,
                defense=plan.defense.name,
                attack=plan.attack.name,
                source=plan.source.name if plan.source else None,
                dataset=plan.dataset.name,
                document=plan.document(),
                created=_now(),
            )
            session.add(row)
            session.flush()

    @staticmethod
    def _add_environment(session: Session, environment: Mapping[str, Any]) -> str:
        digest = hashlib.sha256(json.dumps(environment, sort_keys=True).encode()).hexdigest()
        if session.get(EnvironmentRow, digest) is None:
            session.add(EnvironmentRow(digest=digest, document=dict(environment)))
            session.flush()
        return digest


def _outcome_row(shard: int, position: int, outcome: Outcome) -> dict[str, Any]:
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


def _record(row: ShardRow, environment: Mapping[str, Any]) -> ShardRecord:
    return ShardRecord(
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


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)
