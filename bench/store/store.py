"""Reads and writes plans, shards and outcomes; a finished shard is one transaction."""

from __future__ import annotations

import json
import weakref
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Text, bindparam, cast, func, select

from bench.domain.errors import StoreError, UsageError
from bench.domain.outcome import Outcome, ShardResult
from bench.domain.outcomes import Outcomes
from bench.domain.plan import Plan, Shard
from bench.store.artifacts import Artifacts, place_of
from bench.store.claims import Claims
from bench.store.labels import LabelBook
from bench.store.opening import open_database
from bench.store.outcomes import Packed, Shared, pack, unpack, unpack_arrays
from bench.store.places.place import Place
from bench.store.records import Conflict, Cost, ShardRecord, Stamp, Whole
from bench.store.rowwise import columns_of_plan
from bench.store.schema import ConflictRow, EnvironmentRow, OutcomesRow, PlanRow, ShardRow
from bench.store.sessions import Found, Sessions
from bench.store.versions import ROWWISE, SCHEMA
from bench.store.writing import Filled, fill

# Made once: SQLAlchemy would take as long to make it as SQLite to read a small plan.
_OUTCOMES = (
    select(*(getattr(OutcomesRow, name) for name in Packed._fields))
    .join(ShardRow, ShardRow.id == OutcomesRow.shard)
    .where(ShardRow.plan == bindparam("plan"))
    .order_by(ShardRow.number)
)
_SHARDS = (
    select(*ShardRow.__table__.columns, cast(EnvironmentRow.document, Text).label("document"))
    .join(EnvironmentRow, EnvironmentRow.digest == ShardRow.environment)
    .where(ShardRow.plan == bindparam("plan"))
    .order_by(ShardRow.number)
)
# As text: one broken document must not keep all the others from being read.
_DOCUMENT, _PLACES = cast(PlanRow.document, Text), cast(PlanRow.places, Text)


class Store:
    """The results: `Store("results.db")`, or a PostgreSQL URL; `claims` says who is at work on what, `labels` what
    people have written on plans. Crafted images lie beside it, or in the place that `artifacts` names: a folder, or a
    URL such as s3://bucket/folder.

    `location` names it in messages, without a password; `url` opens it again, in another process too. Without `create`
    it is only read: nothing is made or upgraded, and an older bench's store opens as it is. Raises `StoreError`.
    """

    def __init__(
        self, location: str | Path, *, create: bool = True, artifacts: str | Path | Place | None = None
    ) -> None:
        opened = open_database(location, create=create)
        self.url = str(location)
        self.location = opened.address.shown
        self.path = opened.address.path
        self._engine = opened.engine
        self._has_rows = opened.schema in ROWWISE
        self._sessions = Sessions(opened.engine, self.location, opened.refusal)
        self.claims = Claims(self._sessions)
        self.labels = LabelBook(self._sessions, opened.schema == SCHEMA)
        weakref.finalize(self, self._engine.dispose)
        self.artifacts = Artifacts(place_of(artifacts, self.path))

    def plans(self) -> list[Plan]:
        """All plans with at least one finished shard, oldest first, with the places of their files on this machine.

        Raises `StoreError` for a plan that cannot be read.
        """
        query = self._described(PlanRow.digest, _DOCUMENT, _PLACES)
        return [_plan(digest, document, places) for digest, document, places in self._rows(query)]

    def documents(self) -> dict[str, dict[str, Any]]:
        """What describes these plans, by digest, as it is stored."""
        return {digest: _json(digest, text) for digest, text in self._rows(self._described(PlanRow.digest, _DOCUMENT))}

    def digests(self) -> tuple[str, ...]:
        """The digests under which there are finished shards, described or not, in the order of `plans`."""
        query = (
            select(ShardRow.plan)
            .outerjoin(PlanRow, PlanRow.digest == ShardRow.plan)
            .group_by(ShardRow.plan, PlanRow.created)
            .order_by(PlanRow.created, ShardRow.plan)
        )
        return tuple(digest for (digest,) in self._rows(query))

    def document(self, digest: str) -> dict[str, Any]:
        """What describes one plan; `StoreError` where nothing does, or nothing that can be read."""
        found = self._rows(select(_DOCUMENT).where(PlanRow.digest == digest))
        return _json(digest, found[0][0] if found else None)

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
        done = self.shard_numbers(plan)
        return tuple(shard for shard in plan.shards() if shard.index not in done)

    def shard_numbers(self, plan: Plan) -> frozenset[int]:
        """The numbers of the plan's finished shards."""
        query = select(ShardRow.number).where(ShardRow.plan == plan.digest)
        return frozenset(number for (number,) in self._rows(query))

    def add(self, plan: Plan, result: ShardResult) -> Conflict | None:
        """Commit a finished shard, whole. One that is here already stays as it is: where the new one came out
        otherwise, that is kept beside it and returned."""
        return self.add_all([(plan, result)])[0]

    def add_all(self, finished: Sequence[tuple[Plan, ShardResult]]) -> list[Conflict | None]:
        """Commit finished shards of several plans in one transaction, each as `add` does; what `add` would return."""
        offered = [(plan, (ShardRecord.of_result(result), result.outcomes)) for plan, result in finished]
        filled = self._sessions.write(lambda session: [fill(session, plan, [whole]) for plan, whole in offered])
        return [next(iter(each.conflicts), None) for each in filled]

    def fill(self, plan: Plan, shards: Iterable[Whole]) -> Filled:
        """Commit those of these finished shards that are not here yet, in one transaction; none of them where one that
        is here contradicts what is offered."""
        offered = list(shards)
        return self._sessions.write(lambda session: fill(session, plan, offered))

    def conflicts(self, plan: Plan | None = None) -> tuple[Conflict, ...]:
        """How shards (of one plan, or of all) came out otherwise elsewhere than what is kept here, oldest first."""
        query = select(ConflictRow).order_by(ConflictRow.found, ConflictRow.id)
        if plan is not None:
            query = query.where(ConflictRow.plan == plan.digest)
        return self._sessions.read(
            lambda session: tuple(Conflict.of_row(row) for row in session.scalars(query)),
        )

    def outcomes(self, plan: Plan) -> tuple[Outcome, ...]:
        """The outcomes of all finished shards, in the plan's order. Raises `StoreError` where they cannot be read."""
        return self._unpacked(plan, lambda shards: tuple(unpack(shards)))

    def predictions(self, plan: Plan) -> dict[int, tuple[int, ...]]:
        """The predicted classes of the perturbed images, one a draw, by sample; what an untouched plan is asked for."""
        found = self.table(plan)
        return dict(zip(found.index.tolist(), map(tuple, found.perturbed.tolist()), strict=True))

    def table(self, plan: Plan, shared: Shared | None = None) -> Outcomes:
        """The same outcomes as arrays, read many times faster. Who reads many plans hands the same dictionary `shared`
        for all of them: what they have in common is then in memory once, and cannot be written to."""
        return self._unpacked(plan, lambda shards: unpack_arrays(shards, shared))

    def shards(self, plan: Plan) -> tuple[ShardRecord, ...]:
        """The finished shards in order: cost, remarks, validity, environment."""
        rows = self._sessions.read(lambda session: session.connection().execute(_SHARDS, {"plan": plan.digest}).all())
        environments = {text: json.loads(text) for text in {row.document for row in rows}}
        return tuple(ShardRecord.of_row(row, environments[row.document]) for row in rows)

    def costs(self, digest: str) -> tuple[Cost, ...]:
        """What each finished shard of a plan took; much cheaper than `shards`, which reads all of them."""
        row, device = ShardRow, EnvironmentRow.document["device"].as_string()
        columns = (row.number, row.forwards, row.backwards, row.seconds, row.peak_memory, device, row.origin)
        query = (
            select(*columns)
            .join(EnvironmentRow, EnvironmentRow.digest == row.environment)
            .where(row.plan == digest)
            .order_by(row.number)
        )
        return tuple(
            Cost(number, forwards, backwards, seconds, memory, None if origin else ran_on)
            for number, forwards, backwards, seconds, memory, ran_on, origin in self._rows(query)
        )

    def stamp(self) -> Stamp:
        """How much there is; cheap to ask for, and another one whenever a shard has landed."""
        columns = (
            *(func.count(ShardRow.plan.distinct()), func.count(), func.max(ShardRow.id), func.max(ShardRow.finished)),
            select(func.count()).select_from(ConflictRow).scalar_subquery(),
        )
        return Stamp(*self._rows(select(*columns))[0])

    def close(self) -> None:
        """Let go of the database's file; using the store again opens it again."""
        self._engine.dispose()

    def __repr__(self) -> str:
        ((plans,),) = self._rows(select(func.count(ShardRow.plan.distinct())))
        return f"Store({self.location!r}: {plans} plans)"

    def _unpacked(self, plan: Plan, read: Callable[[list[Packed]], Found]) -> Found:
        try:
            return read(self._packed(plan))
        except (LookupError, TypeError, ValueError) as error:
            raise StoreError(
                f"The outcomes of plan {plan.digest[:12]} cannot be read ({error}); restore the database from a copy."
            ) from None

    def _packed(self, plan: Plan) -> list[Packed]:
        """The outcomes of a plan shard by shard; of an older store all in one."""
        if self._has_rows:
            columns = self._sessions.read(lambda session: columns_of_plan(session.connection(), plan.digest))
            return [pack(columns)] if columns[0] else []
        rows = self._sessions.read(lambda session: session.connection().execute(_OUTCOMES, {"plan": plan.digest}).all())
        return [Packed(*row) for row in rows]

    def _rows(self, query: Any) -> Sequence[Any]:
        return self._sessions.read(lambda session: session.execute(query).all())

    @staticmethod
    def _described(*columns: Any) -> Any:
        """These columns of all plans with a finished shard, oldest first."""
        finished = select(ShardRow.plan).distinct()
        return select(*columns).where(PlanRow.digest.in_(finished)).order_by(PlanRow.created, PlanRow.digest)


def _plan(digest: str, text: str | None, places: str | None) -> Plan:
    try:
        return Plan.from_document(_json(digest, text)).placed(json.loads(places or "null") or {})
    except (AttributeError, KeyError, TypeError, ValueError, UsageError) as error:
        raise _unreadable(digest, error) from None


def _json(digest: str, text: str | None) -> dict[str, Any]:
    try:
        document = json.loads(text or "null")
    except ValueError as error:
        raise _unreadable(digest, error) from None
    if not isinstance(document, dict):
        raise _unreadable(digest, "nothing describes it")
    return document


def _unreadable(digest: str, reason: object) -> StoreError:
    return StoreError(f"Plan {digest[:12]} of the store cannot be read ({reason}); restore the database from a copy.")
