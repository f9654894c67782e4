"""Reads plans, shards and outcomes as they are stored; what cannot be read is left out and remembered by name.

Documents and dates are asked for as text: one that is broken must not hide all the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from sqlalchemy import Connection, Integer, Row, Text, bindparam, cast, func, select, type_coerce

from bench.domain.errors import StoreError
from bench.domain.outcomes import Outcomes
from bench.domain.plan import Plan
from bench.domain.text import command
from bench.store.database.schema import ConflictRow, EnvironmentRow, OutcomesRow, PlanRow, ShardRow
from bench.store.database.sessions import Found, Sessions
from bench.store.rows.checking import UnfitError, conflict_of, environment_of, plan_of, reason, record_of
from bench.store.rows.checking_outcomes import outcomes_of
from bench.store.rows.forms import UNREADABLE
from bench.store.rows.outcomes import Packed, Shared, pack
from bench.store.rows.records import Conflict, ShardRecord
from bench.store.rows.rowwise import columns_of_plan

DEFAULT = "results.db"
"""The store that verbs work on where none is named."""
# Made once: SQLAlchemy would take as long to make one as SQLite to read a small plan.
_DOCUMENT, _PLACES = cast(PlanRow.document, Text), cast(PlanRow.places, Text)
_TEXTS = ("finished", "remarks", "facts")
_SHARD = (
    select(
        *(column for column in ShardRow.__table__.columns if column.name not in (*_TEXTS, "claimed")),
        *(cast(getattr(ShardRow, name), Text).label(name) for name in _TEXTS),
        type_coerce(ShardRow.claimed, Integer).label("claimed"),
        cast(EnvironmentRow.document, Text).label("document"),
    )
    .outerjoin(EnvironmentRow, EnvironmentRow.digest == ShardRow.environment)
    .order_by(ShardRow.number)
)
_SHARDS = _SHARD.where(ShardRow.plan == bindparam("plan"))
_ONE_SHARD = _SHARD.where(ShardRow.id == bindparam("shard"))
_PACKED = (
    select(ShardRow.number, *(getattr(OutcomesRow, name) for name in Packed._fields))
    .select_from(ShardRow)
    .outerjoin(OutcomesRow, OutcomesRow.shard == ShardRow.id)
)
_OUTCOMES = _PACKED.where(ShardRow.plan == bindparam("plan")).order_by(ShardRow.number)
_ONE_OUTCOMES = _PACKED.where(ShardRow.id == bindparam("shard"))
_NUMBERS = select(ShardRow.number).where(ShardRow.plan == bindparam("plan")).order_by(ShardRow.number)
_CONFLICTS = select(
    *(column for column in ConflictRow.__table__.columns if column.name not in ("found", "environment")),
    cast(ConflictRow.found, Text).label("found"),
    cast(ConflictRow.environment, Text).label("environment"),
).order_by(ConflictRow.found, ConflictRow.id)


class UnreadableError(StoreError):
    """What the store says of a plan is not of the form that bench gives it, for the `reason` given."""

    def __init__(self, sentence: str, reason: str) -> None:
        super().__init__(sentence)
        self.reason = reason


class Stored(NamedTuple):
    """What the tables say of a plan, and how many shards it has, the newest of which has this number as its id."""

    digest: str
    document: str | None
    places: str | None
    shards: int
    newest: int


class Reader:
    """Reads a store's tables; `rowwise` are an older bench's. `skipped` holds what was left out, by digest."""

    def __init__(self, sessions: Sessions, rowwise: bool) -> None:
        self.skipped: dict[str, UnreadableError] = {}
        self._sessions, self._rowwise = sessions, rowwise
        self._sound: dict[str, Stored] = {}

    def stored(self) -> list[Stored]:
        """What the store says of each plan with a finished shard, oldest first."""
        count, newest = func.count().label("shards"), func.max(ShardRow.id).label("newest")
        finished = select(ShardRow.plan, count, newest).group_by(ShardRow.plan).subquery()
        query = (
            select(finished.c.plan, _DOCUMENT, _PLACES, finished.c.shards, finished.c.newest)
            .select_from(finished)
            .outerjoin(PlanRow, PlanRow.digest == finished.c.plan)
            .order_by(PlanRow.created, finished.c.plan)
        )
        return [Stored(str(digest), *rest) for digest, *rest in self._connected(lambda link: link.execute(query).all())]

    def sound(self, several: Iterable[Stored]) -> list[Plan]:
        """Those of these plans that can be read, with all that is stored of them."""
        _, disputed = self._conflicts(None)
        return self._each((stored.digest, partial(self._read, stored, disputed)) for stored in several)

    def described(self, several: Iterable[Stored]) -> list[Plan]:
        """Those of these plans that can be read, whatever is stored of their shards."""
        return self._each((digest, partial(plan_of, digest, document)) for digest, document, *_ in several)

    def under_way(self, digests: Iterable[str]) -> list[Plan]:
        """Those of these plans that can be read, with finished shards or without."""

        def read(digest: str) -> Plan:
            plan = self.plan(digest)
            self.shards(plan)
            return plan

        return self._each((digest, partial(read, digest)) for digest in digests)

    def plan(self, digest: str) -> Plan:
        """The plan of a digest, with finished shards or without. Raises `UnreadableError`, as all that follow."""
        query = select(_DOCUMENT, _PLACES).where(PlanRow.digest == digest)
        found = self._connected(lambda link: link.execute(query).all())
        return self._told(digest, lambda: plan_of(digest, *found[0] if found else (None,)))

    def shards(self, plan: Plan) -> tuple[ShardRecord, ...]:
        """The finished shards of a plan, in their order."""
        rows = self._connected(lambda link: link.execute(_SHARDS, {"plan": plan.digest}).all())
        return self._told(plan.digest, lambda: _records_of(rows))

    def outcomes(self, plan: Plan, shared: Shared | None = None) -> tuple[Outcomes, list[Packed]]:
        """The outcomes of a plan's finished shards, in its order, and as they are stored."""

        def read() -> tuple[Outcomes, list[Packed]]:
            numbers, packed = self._connected(partial(_packed_of_plan, plan=plan.digest, rowwise=self._rowwise))
            return outcomes_of(plan, numbers, packed, shared), packed

        return self._told(plan.digest, read)

    def conflicts(self, plan: Plan | None) -> tuple[Conflict, ...]:
        """The conflicts about a plan, or, of those about all, the ones that can be read."""
        found, broken = self._conflicts(plan)
        if plan is not None and broken:
            raise self._unreadable(plan.digest, *broken.values())
        return tuple(found)

    def hint(self, *words: str) -> str:
        """A command on this store, as a message hints at it."""
        location = self._sessions.location
        return command(*words, *([] if location == DEFAULT else ["--db", location]))

    def _read(self, stored: Stored, disputed: dict[str, str]) -> Plan:
        plan = plan_of(stored.digest, stored.document, stored.places)
        if stored.digest in disputed:
            raise UnfitError(disputed[stored.digest])
        if self._sound.get(stored.digest) != stored:
            self.shards(plan)
            self.outcomes(plan)
            self._sound[stored.digest] = stored
        return plan

    def _conflicts(self, plan: Plan | None) -> tuple[list[Conflict], dict[str, str]]:
        """Those conflicts that can be read, and why the others cannot, by the plan that they are about."""
        query = _CONFLICTS if plan is None else _CONFLICTS.where(ConflictRow.plan == plan.digest)
        found, broken = [], {}
        for row in self._connected(lambda link: link.execute(query).all()):
            try:
                found.append(conflict_of(row))
            except UnfitError as error:
                broken[row.plan] = str(error)
        return found, broken

    def _each(self, reads: Iterable[tuple[str, Callable[[], Plan]]]) -> list[Plan]:
        """The plans that can be read, by digest and how; the others are skipped."""
        found: list[Plan] = []
        for digest, read in reads:
            try:
                found.append(self._told(digest, read))
            except UnreadableError as error:
                self.skipped[digest] = error
        return found

    def _told(self, digest: str, read: Callable[[], Found]) -> Found:
        """What `read` returns; where it is unfit, `UnreadableError` with what to do."""
        try:
            return read()
        except UnfitError as error:
            raise self._unreadable(digest, error) from None

    def _unreadable(self, digest: str, reason: object) -> UnreadableError:
        return UnreadableError(
            f"Plan {digest[:12]} of {self._sessions.location} is left out, for {reason}; restore the database from a "
            f"copy, or take it out: {self.hint('remove', digest[:12])}.",
            str(reason),
        )

    def _connected(self, work: Callable[[Connection], Found]) -> Found:
        return self._sessions.read(lambda session: work(session.connection()))


def shard_of(connection: Connection, shard: int) -> tuple[ShardRecord, Packed]:
    """One finished shard by the id of its row; `UnfitError` where it has not the form of bench's."""
    (record,) = _records_of(connection.execute(_ONE_SHARD, {"shard": shard}).all())
    _, (packed,) = _split(connection.execute(_ONE_OUTCOMES, {"shard": shard}).all())
    return record, packed


def _records_of(rows: Sequence[Row[*tuple[Any, ...]]]) -> tuple[ShardRecord, ...]:
    """The records of shards from their rows; `UnfitError` where one has not the form of bench's."""
    environments: dict[str | None, Mapping[str, Any]] = {
        text: environment_of(text) for text in {row.document for row in rows}
    }
    return tuple(record_of(row, environments[row.document]) for row in rows)


def _packed_of_plan(connection: Connection, plan: str, rowwise: bool) -> tuple[list[Any], list[Packed]]:
    """The numbers of a plan's finished shards, and their outcomes; of an older store (`rowwise`) these are all in one.

    Raises `UnfitError` where a shard has none.
    """
    if not rowwise:
        return _split(connection.execute(_OUTCOMES, {"plan": plan}).all())
    numbers = [*connection.execute(_NUMBERS, {"plan": plan}).scalars()]
    try:
        columns = columns_of_plan(connection, plan)
        return numbers, [pack(columns)] if columns[0] else []
    except UNREADABLE as error:
        raise UnfitError(f"its outcomes cannot be read ({reason(error)})") from None


def _split(rows: Sequence[Row[*tuple[Any, ...]]]) -> tuple[list[Any], list[Packed]]:
    if any(row.samples is None for row in rows):
        raise UnfitError("its outcomes cannot be read (a shard has none)")
    return [row.number for row in rows], [Packed._make(row[1:]) for row in rows]
