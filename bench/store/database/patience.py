"""Which failures of a database pass by themselves, and how long work waits for that."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from random import SystemRandom
from typing import TypeVar

from sqlalchemy.exc import DatabaseError, DBAPIError, InterfaceError, OperationalError

Found = TypeVar("Found")

OPENING = 10.0
"""Seconds for which a database that does not answer is asked again when it is opened: a wrong address is told soon."""
WORKING = 120.0
"""Seconds for which work on an open store is tried again: a server's restart, another process's long transaction."""
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 5.0

PASSING = ("08", "40001", "40P01", "53300", "55P03", "57P01", "57P02", "57P03", "57P05", "25P03")
"""PostgreSQL's codes (or classes of them) for lost connections, serialization, deadlocks, too many connections, locks
and servers that stop or start."""
LASTING = ("authentication failed", "no password supplied", "does not exist", "pg_hba.conf", "invalid")
"""What a server says at the door that no waiting changes; such refusals carry no code."""
BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL)


def patiently(work: Callable[[], Found], seconds: float) -> Found:
    """What `work` returns; it is tried again, after growing pauses, while it fails of what passes by itself.

    `work` must be one transaction that may be repeated. Raises what it raised when `seconds` are over, and
    `DatabaseError` where a damaged file's names, which SQLite's own sentence may repeat, are no text.
    """
    give_up, pause, chance = time.monotonic() + seconds, FIRST_PAUSE, SystemRandom()
    while True:
        try:
            return work()
        except DBAPIError as error:
            if not passes(error) or time.monotonic() + pause > give_up:
                raise
        except UnicodeError:
            raise DatabaseError(None, None, sqlite3.DatabaseError("it holds names that are no text")) from None
        time.sleep(pause * chance.uniform(0.5, 1.0))  # those who failed together do not all come back together
        pause = min(2 * pause, LONGEST_PAUSE)


def passes(error: DBAPIError) -> bool:
    """Whether a failure is one that may be over soon."""
    cause = error.orig
    if isinstance(cause, sqlite3.Error):
        return (getattr(cause, "sqlite_errorcode", None) or 0) & 0xFF in BUSY
    if error.connection_invalidated:
        return True
    code = getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)
    if code:
        return str(code).startswith(PASSING)
    return isinstance(error, OperationalError | InterfaceError) and not any(word in str(cause) for word in LASTING)
