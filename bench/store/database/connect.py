"""Makes engines for a file or a server: the address that a user may write, and what each database is told."""

from __future__ import annotations

import re
import sqlite3
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from bench.domain.errors import StoreError

BUSY_SECONDS = 30
"""How long SQLite waits for another process's lock before it says so; the store then asks again for a while."""
DRIVERS = {"postgres": "postgresql+psycopg", "postgresql": "postgresql+psycopg"}
"""The driver of a URL that names none: the one of the extra `postgres`."""
SILENT_SECONDS = 60
"""After about so long a link that has gone silent is given up on both sides, not after the system's two hours."""
LIBPQ = {
    "application_name": "bench",
    "connect_timeout": 10,
    "keepalives_idle": SILENT_SECONDS // 2,
    "keepalives_interval": SILENT_SECONDS // 6,
    "keepalives_count": 3,
    "tcp_user_timeout": 1000 * SILENT_SECONDS,
}
"""What PostgreSQL's own library is told, unless the URL says otherwise: seconds, and milliseconds for the last one."""
ABANDONED = "idle_in_transaction_session_timeout"
"""What makes the server end a transaction that nobody goes on with, whose locks all others would wait for."""


Mode = Literal["rwc", "rw", "ro", "immutable"]


class Nowhere(str):
    """The address of a database that is to keep nothing: that is meant."""


@dataclass(frozen=True)
class Address:
    """Where a store is: `url` with everything that connecting needs, `path` of a SQLite file, `shown` for messages."""

    url: URL
    path: Path | None
    shown: str

    @classmethod
    def of(cls, location: str | Path) -> Address:
        """What a path or a URL means. Raises `StoreError` for a URL of no database that bench knows."""
        written = str(location)
        fleeting = f"A database of {written!r} would keep nothing; give --db a file, such as results.db."
        if written.strip() in ("", ":memory:"):
            raise StoreError(fleeting)
        if "\0" in written:
            raise StoreError(f"{written} holds a null byte and can be no database; give --db a file.")
        if "://" not in written:
            return cls(URL.create("sqlite", database=written), Path(written), written)
        shown, wanted = without_password(written), "give --db a file, or postgresql://user@host/name."
        try:
            scheme = written.partition("://")[0]
            url = make_url(written.replace(scheme, DRIVERS.get(scheme, scheme), 1))
        except (ArgumentError, ValueError):
            raise StoreError(f"{shown} is no URL of a database; {wanted}") from None
        backend = url.get_backend_name()
        if backend not in ("sqlite", "postgresql"):
            raise StoreError(f"{shown} names a database that bench does not know; {wanted}")
        if backend == "sqlite":
            if url.database in (None, "", ":memory:"):
                if isinstance(location, Nowhere):
                    return cls(url, None, written)
                raise StoreError(fleeting)
            return cls(url, Path(url.database), written)
        return cls(url, None, shown)

    def engine(self, *, switch: bool = True, mode: Mode = "rwc") -> Engine:
        """An engine for it; nothing is connected yet. `switch` lets a SQLite file change to a write-ahead log; `mode`
        is what may be done with a file: make it, write it, read it, or read it where no log can be written beside it.

        Raises `StoreError` where the driver is missing.
        """
        is_sqlite = self.url.get_backend_name() == "sqlite"
        url = self.url
        if self.path is not None and not url.query:
            how = {"mode": "ro", "immutable": "1"} if mode == "immutable" else {"mode": mode}
            url = url.set(database=self.path.absolute().as_uri(), query={**how, "uri": "true"})
        told = {"connect_args": {"timeout": BUSY_SECONDS}} if is_sqlite else _server(self.url)
        try:
            engine = create_engine(url, **told)
        except (ArgumentError, NoSuchModuleError, ImportError) as error:
            hint = "pip install 'defense-bench[postgres]'" if "psycopg" in self.url.drivername else "install it"
            raise StoreError(
                f"{self.shown} cannot be opened here ({error}); its driver is missing: {hint}, or give --db a file."
            ) from None
        if is_sqlite:
            event.listen(engine, "connect", _keep_a_log if switch else _prepare)
            event.listen(engine, "begin", _begin)
        else:
            event.listen(engine, "connect", _end_what_is_abandoned)
        return engine


def without_password(written: str) -> str:
    """A URL as a message may show it, its password hidden whatever is in it: SQLAlchemy hides one only in a URL that it
    can parse, and `domain.text` one without blanks, which end a URL in running text."""
    hidden = re.sub(r"(://[^:@/?]*):.*@", r"\1:***@", written)
    return re.sub(r"((?:^|[?&])[^=&]*password[^=&]*)=[^&]*", r"\1=***", hidden)


def writing(engine: Engine) -> Engine:
    """The same database for transactions that will write: on SQLite they queue up instead of failing half-way."""
    return engine.execution_options(bench_writes=True)


def _server(url: URL) -> dict[str, Any]:
    speaks_libpq = url.drivername in ("postgresql+psycopg", "postgresql+psycopg2")
    told = {name: value for name, value in LIBPQ.items() if name not in url.query} if speaks_libpq else {}
    # Few connections stay open: hundreds of processes may share the server.
    return {"connect_args": told, "pool_pre_ping": True, "pool_size": 2, "max_overflow": 14}


def _end_what_is_abandoned(connection: Any, _: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SET {ABANDONED} = {1000 * SILENT_SECONDS}")
    connection.commit()


_TOLERANT = partial(str, encoding="utf-8", errors="surrogateescape")
"""Text that is none, in one row, must not keep all others from being read; it is found where that row is."""


def _prepare(connection: sqlite3.Connection, _: object) -> None:
    connection.text_factory = _TOLERANT
    connection.isolation_level = None  # transactions begin where SQLAlchemy says so, DDL included
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA synchronous = FULL")


def _keep_a_log(connection: sqlite3.Connection, _: object) -> None:
    """A reader (a report) never waits for the writer (a run), and a kill loses nothing that was committed."""
    _prepare(connection, _)
    give_up = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            # Where two processes open a new file at once, the switch passes the busy wait by.
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > give_up:
                raise
            time.sleep(0.02)
        else:
            return


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("bench_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
