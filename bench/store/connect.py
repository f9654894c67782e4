"""Opens a database: the URL that a user may write, SQLite's settings, and the schema's version."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, inspect, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, OperationalError

from bench.domain.errors import StoreError

SCHEMA = "0003"
OLDER = ("0001", "0002")
"""Schemas that are brought up to date when a database is opened; the steps are in `migrations`."""
BUSY_SECONDS = 30


def connect(location: str | Path, *, create: bool = True) -> Engine:
    """An engine for a path or a SQLAlchemy URL, its schema made where there is none, and brought up to date where old.

    Raises `StoreError` for a file that is no database, a schema of another bench, an unknown or unreachable URL, and,
    without `create`, for a database that is not there.
    """
    url = str(location) if "://" in str(location) else f"sqlite:///{location}"
    try:
        parsed = make_url(url)
        is_sqlite = parsed.get_backend_name() == "sqlite"
        if is_sqlite and parsed.database not in (None, "", ":memory:"):
            _check_place(Path(str(parsed.database)), create)
        arguments: dict[str, Any] = {"timeout": BUSY_SECONDS} if is_sqlite else {}
        engine = create_engine(parsed, connect_args=arguments)
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
        raise StoreError(
            f"{url!r} is no database that can be opened here ({error}); give --db a file, or a SQLAlchemy URL whose "
            f"driver is installed."
        ) from None
    if is_sqlite:
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    _check_schema(engine, str(location))
    return engine


def _check_place(path: Path, create: bool) -> None:
    if path.is_dir():
        raise StoreError(f"{path} is a folder; --db needs a file, such as {path / 'results.db'}.")
    if not path.exists() and not create:
        raise StoreError(f"There is no results database at {path}; run `bench evaluate` first, or name one with --db.")
    if not path.absolute().parent.is_dir():
        raise StoreError(f"The folder {path.absolute().parent} does not exist; make it first, or name another --db.")


def writing(engine: Engine) -> Engine:
    """The same database for transactions that will write: they queue up instead of failing half-way."""
    return engine.execution_options(bench_writes=True)


def _prepare_sqlite(connection: sqlite3.Connection, _: object) -> None:
    connection.isolation_level = None  # transactions begin where SQLAlchemy says so, DDL included
    cursor = connection.cursor()
    cursor.execute("PRAGMA foreign_keys = ON")
    # A reader (a report) never waits for the writer (a run), and a kill loses nothing that was committed.
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("bench_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _version(connection: Connection) -> str | None:
    if "bench_schema" not in inspect(connection).get_table_names():
        return None
    found: str | None = connection.execute(text("SELECT version_num FROM bench_schema")).scalar()
    return found


def _check_schema(engine: Engine, location: str) -> None:
    try:
        with engine.connect() as connection:
            tables = set(inspect(connection).get_table_names())
            found = _version(connection)
    except OperationalError as error:
        raise StoreError(f"The database {location} cannot be opened: {error.orig}.") from None
    except DBAPIError as error:
        raise StoreError(
            f"{location} is not a results database ({error.orig}); name another file with --db. It was left as it is."
        ) from None
    if found is None and "plans" in tables:
        raise StoreError(f"{location} holds tables of another program; name another database with --db.")
    if found is None or found in OLDER:
        _migrate(engine)
    elif found != SCHEMA:
        raise StoreError(
            f"{location} has schema {found!r}, this bench reads {SCHEMA!r}; open it with the version of bench that "
            f"wrote it, or name another database with --db."
        )


def _migrate(engine: Engine) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    with writing(engine).begin() as connection:
        if _version(connection) == SCHEMA:
            return  # another process made the schema while this one waited
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
