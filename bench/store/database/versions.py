"""Which schema a database has, and how it comes to have the newest one."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text
from sqlalchemy.exc import DBAPIError, OperationalError

from bench.domain.errors import StoreError
from bench.store.database.connect import writing
from bench.store.database.copying import is_locked_away
from bench.store.database.patience import OPENING, WORKING, patiently
from bench.store.database.sessions import said

SCHEMA = "0006"
OLDER = ("0001", "0002", "0003", "0004", "0005")
"""Schemas that `bench upgrade` brings up to date; the steps are in `migrations`."""
ROWWISE = ("0003", "0004")
"""Older schemas whose results are other in one thing alone: there is a row a sample."""
READABLE = (*ROWWISE, "0005")
"""Older schemas that are read where they lie; nothing is written on their plans."""
LOCK = 0x62656E6368  # "bench"
"""The advisory lock on PostgreSQL under which a schema is made or changed."""


class LockedAwayError(StoreError):
    """A file that cannot be opened in the ordinary way, which writes a log beside it."""


def look(engine: Engine, shown: str) -> str | None:
    """The schema of a database; None where it holds nothing yet.

    Raises `StoreError` for what is no database, does not answer, holds another program's tables, or has a schema that
    this bench does not know.
    """

    def once() -> tuple[str | None, set[str]]:
        with engine.connect() as connection:
            tables = set(inspect(connection).get_table_names())
            return version(connection), tables

    try:
        found, tables = patiently(once, OPENING)
    except OperationalError as error:
        kind = LockedAwayError if is_locked_away(error.orig) else StoreError
        raise kind(f"The database {shown} cannot be opened: {said(error)}.") from None
    except DBAPIError as error:
        raise StoreError(
            f"{shown} is not a results database ({said(error)}); name another file with --db. It was left as it is."
        ) from None
    if found is None and (tables if engine.dialect.name == "sqlite" else "plans" in tables):
        raise StoreError(f"{shown} holds tables of another program; name another database with --db.")
    if found not in (None, SCHEMA, *OLDER):
        raise StoreError(
            f"{shown} has schema {found!r}, this bench reads {SCHEMA!r}; open it with the version of bench that "
            f"wrote it, or name another database with --db."
        )
    return found


def version(connection: Connection) -> str | None:
    """The schema that a database says it has. Raises `StoreError` where it says several."""
    if "bench_schema" not in inspect(connection).get_table_names():
        return None
    found = connection.execute(text("SELECT version_num FROM bench_schema")).scalars().all()
    if len(found) > 1:
        raise StoreError(
            f"The database says that it has {len(found)} schemas ({', '.join(map(repr, found[:5]))}), so that it is "
            f"damaged; restore it from a copy, or name another with --db."
        )
    return str(found[0]) if found else None


def build(engine: Engine, shown: str) -> None:
    """Make the tables, or bring them up to date; of several processes one does it, and the others wait."""

    def once() -> None:
        with writing(engine).begin() as connection:
            lock(connection)
            if version(connection) != SCHEMA:  # nobody was faster
                migrate(connection)

    try:
        patiently(once, WORKING)
    except DBAPIError as error:
        raise StoreError(
            f"The tables of {shown} could not be made ({said(error)}); mend the cause, or name another --db."
        ) from None


def lock(connection: Connection) -> None:
    """Wait until nobody else makes or changes the schema, and keep them waiting until the transaction is over.

    SQLite's transactions that write are alone anyway.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": LOCK})


def migrate(connection: Connection, to: str = SCHEMA) -> None:
    """Bring the schema up to a newer one, within the transaction that the connection is in."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parents[1] / "migrations").replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, to)
