"""What SQLite and PostgreSQL say in words of their own: rows that race for a key, and the database's clock."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Double
from sqlalchemy.dialects.postgresql import Insert as PostgresInsert
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import Insert as SqliteInsert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Session
from sqlalchemy.sql.functions import FunctionElement

from bench.store.database.schema import Table


class clock(FunctionElement[float]):  # noqa: N801  # a function of SQL
    """The database's own time, in seconds since 1970."""

    type = Double()
    inherit_cache = True


@compiles(clock, "sqlite")
def _sqlite_clock(*_: Any, **__: Any) -> str:
    return "((julianday('now') - 2440587.5) * 86400.0)"


@compiles(clock, "postgresql")
def _postgres_clock(*_: Any, **__: Any) -> str:
    return "CAST(EXTRACT(EPOCH FROM clock_timestamp()) AS DOUBLE PRECISION)"


def inserting(session: Session, table: type[Table]) -> SqliteInsert | PostgresInsert:
    """An insert that can say what becomes of rows that are there already."""
    insert = postgres_insert if session.get_bind().dialect.name == "postgresql" else sqlite_insert
    return insert(table)
