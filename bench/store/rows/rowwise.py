"""The outcomes of older benches' stores (schemas 0001 to 0004), which have a row a sample."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import JSON, ColumnElement, Connection, Double, Integer, Select, Text, cast, column, select, table

from bench.store.database.schema import ShardRow
from bench.store.rows.outcomes import FIELDS, Columns

_ROWS = table(
    "outcomes",
    *(column(name, Integer) for name in ("shard", "position", "sample", "label")),
    *(column(name, JSON) for name in ("clean", "perturbed")),
    *(column(name, Double) for name in ("distance", "radius", "minimal")),
    *(column("broken_at", Integer), column("fell_to", Text)),
)


def columns_of_plan(connection: Connection, plan: str) -> Columns:
    """The outcomes of all finished shards of a plan, by its digest, in its order."""
    query = _asked(connection).join(ShardRow, ShardRow.id == _ROWS.c.shard).where(ShardRow.plan == plan)
    return _read(connection, query.order_by(ShardRow.number, _ROWS.c.position))


def columns_of_shard(connection: Connection, shard: int) -> Columns:
    """The outcomes of one shard, by its id."""
    return _read(connection, _asked(connection).where(_ROWS.c.shard == shard).order_by(_ROWS.c.position))


def columns_of(rows: Sequence[Sequence[Any]]) -> Columns:
    """The fields of rows that hold the predictions as JSON text; whatever else they hold stays as it is."""
    found: list[Sequence[Any]] = [*zip(*rows, strict=True)] if rows else [()] * len(FIELDS)
    for place in (2, 3):
        known = {text: _parsed(text) for text in set(found[place])}  # once for equal ones, which is much faster
        found[place] = [known[text] for text in found[place]]
    return found


def _read(connection: Connection, query: Select[Any]) -> Columns:
    return columns_of(connection.execute(query).cursor.fetchall())  # past SQLAlchemy's rows, which cost as much


def _asked(connection: Connection) -> Select[Any]:
    predictions: Sequence[ColumnElement[Any]] = (_ROWS.c.clean, _ROWS.c.perturbed)
    if connection.dialect.name == "postgresql":  # whose driver would parse each of them
        predictions = [cast(each, Text) for each in predictions]
    measures = (_ROWS.c.distance, _ROWS.c.radius, _ROWS.c.minimal, _ROWS.c.broken_at, _ROWS.c.fell_to)
    return select(_ROWS.c.sample, _ROWS.c.label, *predictions, *measures)


def _parsed(text: Any) -> Any:
    try:
        return json.loads(text)
    except (TypeError, ValueError):
        return text  # an edited row, which is to spoil its own plan alone
