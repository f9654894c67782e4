"""What is asked of the tables, with documents and dates as text: one that is broken must not hide all the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Integer, Row, Text, bindparam, cast, select, type_coerce

from bench.domain.plan import Plan
from bench.store.database.schema import ConflictRow, EnvironmentRow, OutcomesRow, ShardRow
from bench.store.rows.checking import UnfitError, conflict_of, environment_of, reason, record_of
from bench.store.rows.forms import UNREADABLE
from bench.store.rows.outcomes import Packed, pack
from bench.store.rows.records import Conflict, ShardRecord
from bench.store.rows.rowwise import columns_of_plan

# Made once: SQLAlchemy would take as long to make one as SQLite to read a small plan.
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


def shard_rows(connection: Connection, plan: str) -> Sequence[Row[*tuple[Any, ...]]]:
    """The rows of a plan's finished shards, by the digest of the plan, in their order."""
    return connection.execute(_SHARDS, {"plan": plan}).all()


def records_of(rows: Sequence[Row[*tuple[Any, ...]]]) -> tuple[ShardRecord, ...]:
    """The records of shards from their rows; `UnfitError` where one has not the form of bench's."""
    environments: dict[str | None, Mapping[str, Any]] = {
        text: environment_of(text) for text in {row.document for row in rows}
    }
    return tuple(record_of(row, environments[row.document]) for row in rows)


def conflict_rows(connection: Connection, plan: Plan | None) -> Sequence[Row[*tuple[Any, ...]]]:
    """The rows of the conflicts about a plan, or about all, oldest first."""
    query = _CONFLICTS if plan is None else _CONFLICTS.where(ConflictRow.plan == plan.digest)
    return connection.execute(query).all()


def packed_of_plan(connection: Connection, plan: str, rowwise: bool) -> tuple[list[Any], list[Packed]]:
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


def shard_of(connection: Connection, shard: int) -> tuple[ShardRecord, Packed]:
    """One finished shard by the id of its row; `UnfitError` where it has not the form of bench's."""
    (record,) = records_of(connection.execute(_ONE_SHARD, {"shard": shard}).all())
    _, (packed,) = _split(connection.execute(_ONE_OUTCOMES, {"shard": shard}).all())
    return record, packed


def sound_conflicts(rows: Sequence[Row[*tuple[Any, ...]]]) -> tuple[list[Conflict], dict[str, str]]:
    """Those conflicts that can be read, and why the others cannot, by the plan that they are about."""
    found, broken = [], {}
    for row in rows:
        try:
            found.append(conflict_of(row))
        except UnfitError as error:
            broken[row.plan] = str(error)
    return found, broken


def _split(rows: Sequence[Row[*tuple[Any, ...]]]) -> tuple[list[Any], list[Packed]]:
    if any(row.samples is None for row in rows):
        raise UnfitError("its outcomes cannot be read (a shard has none)")
    return [row.number for row in rows], [Packed._make(row[1:]) for row in rows]
