"""Reads and writes plans, shards and outcomes; a finished shard is one transaction."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import JSON, Text, bindparam, cast, delete, func, insert, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from bench.domain.errors import StoreError, UsageError
from bench.domain.outcome import Outcome, ShardResult
from bench.domain.outcomes import Outcomes
from bench.domain.plan import Plan, Shard
from bench.store.artifacts import Artifacts, artifacts_beside
from bench.store.connect import connect, writing
from bench.store.records import ShardRecord, Stamp, now, outcome_row
from bench.store.schema import EnvironmentRow, OutcomeRow, PlanRow, ShardRow, Table

# What an outcome is made of, in the order of its fields.
_OUTCOME = (
    *(OutcomeRow.sample, OutcomeRow.label, OutcomeRow.clean, OutcomeRow.perturbed),
    *(OutcomeRow.distance, OutcomeRow.radius, OutcomeRow.minimal, OutcomeRow.broken_at),
)
# Made once: SQLAlchemy would take as long to make it as SQLite to read a small plan.
_OUTCOMES = (
    select(*(cast(column, Text) if isinstance(column.type, JSON) else column for column in _OUTCOME))
    .join(ShardRow, ShardRow.id == OutcomeRow.shard)
    .where(ShardRow.plan == bindparam("plan"))
    .order_by(ShardRow.number, OutcomeRow.position)
)


class Store:
    """The results: `Store("results.db")`, or any SQLAlchemy URL. Crafted images lie beside it, in `artifacts`."""

    def __init__(self, location: str | Path, *, create: bool = True) -> None:
        self.location = str(location)
        self._engine = connect(location, create=create)
        database = self._engine.url.database if self._engine.dialect.name == "sqlite" else None
        self.path = Path(database) if database else None
        self.artifacts = Artifacts(artifacts_beside(self.path))

    def plans(self) -> list[Plan]:
        """All plans with at least one finished shard, oldest first."""
        return [Plan.from_document(document) for document in self.documents().values()]

    def documents(self) -> dict[str, dict[str, Any]]:
        """What describes these plans, by digest, as it is stored."""
        finished = select(ShardRow.plan).distinct()
        query = (
            select(PlanRow.digest, PlanRow.document)
            .where(PlanRow.digest.in_(finished))
            .order_by(PlanRow.created, PlanRow.digest)
        )
        with self._session() as session:
            return {row.digest: row.document for row in session.execute(query)}

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
            session.execute(delete(ShardRow).where(ShardRow.plan == plan.digest, ShardRow.number == result.index))
            self._add_shard(session, plan, ShardRecord.of_result(result), result.outcomes)

    def fill(self, plan: Plan, shards: Iterable[tuple[ShardRecord, Sequence[Outcome]]]) -> int:
        """Commit those of these finished shards that are not here yet, in one transaction, and say how many."""
        with self._session(writes=True) as session, session.begin():
            self._add_plan(session, plan)
            present = set(session.scalars(select(ShardRow.number).where(ShardRow.plan == plan.digest)))
            missing = [(shard, outcomes) for shard, outcomes in shards if shard.number not in present]
            for shard, outcomes in missing:
                self._add_shard(session, plan, shard, outcomes)
        return len(missing)

    def outcomes(self, plan: Plan) -> tuple[Outcome, ...]:
        """The outcomes of all finished shards, in the plan's order."""
        return tuple(
            Outcome(index, label, tuple(clean), tuple(perturbed), *measures)
            for index, label, clean, perturbed, *measures in zip(*self._columns(plan), strict=True)
        )

    def table(self, plan: Plan) -> Outcomes:
        """The same outcomes as arrays, read several times faster."""
        return Outcomes.of_columns(*self._columns(plan))

    def shards(self, plan: Plan) -> tuple[ShardRecord, ...]:
        """The finished shards in order: cost, remarks, validity, environment."""
        query = (
            select(ShardRow, EnvironmentRow.document)
            .join(EnvironmentRow, EnvironmentRow.digest == ShardRow.environment)
            .where(ShardRow.plan == plan.digest)
            .order_by(ShardRow.number)
        )
        with self._session() as session:
            return tuple(ShardRecord.of_row(row, environment) for row, environment in session.execute(query))

    def stamp(self) -> Stamp:
        """How much there is; cheap to ask for, and another one whenever a shard has landed."""
        columns = (
            func.count(ShardRow.plan.distinct()),
            func.count(),
            func.max(ShardRow.id),
            func.max(ShardRow.finished),
        )
        with self._session() as session:
            return Stamp(*session.execute(select(*columns)).one())

    def close(self) -> None:
        """Let go of the database's file; using the store again opens it again."""
        self._engine.dispose()

    def __repr__(self) -> str:
        with self._session() as session:
            plans = session.scalar(select(func.count()).select_from(PlanRow))
        return f"Store({self.location!r}: {plans} plans)"

    def _columns(self, plan: Plan) -> list[Sequence[Any]]:
        """The outcomes of a plan column by column; equal predictions are parsed once, which is much faster."""
        with self._session() as session:
            rows = (
                session.connection().execute(_OUTCOMES, {"plan": plan.digest}).cursor.fetchall()
            )  # past SQLAlchemy's rows, which cost as much
        found: list[Sequence[Any]] = list(zip(*rows, strict=True)) if rows else [()] * len(_OUTCOME)
        for place in (2, 3):
            known = {text: json.loads(text) for text in set(found[place])}
            found[place] = [known[text] for text in found[place]]
        return found

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
                created=now(),
            )
            session.add(row)
            session.flush()

    def _add_shard(self, session: Session, plan: Plan, shard: ShardRecord, outcomes: Sequence[Outcome]) -> None:
        row = shard.row(plan.digest, self._add_environment(session, shard.environment))
        session.add(row)
        session.flush()
        rows = [outcome_row(row.id, *pair) for pair in enumerate(outcomes)]
        session.connection().execute(insert(Table.metadata.tables[OutcomeRow.__tablename__]), rows)

    @staticmethod
    def _add_environment(session: Session, environment: Mapping[str, Any]) -> str:
        digest = hashlib.sha256(json.dumps(environment, sort_keys=True).encode()).hexdigest()
        if session.get(EnvironmentRow, digest) is None:
            session.add(EnvironmentRow(digest=digest, document=dict(environment)))
            session.flush()
        return digest
