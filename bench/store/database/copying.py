"""Copies a SQLite database, whoever is using it."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from contextlib import closing
from itertools import count
from pathlib import Path

from bench.domain.errors import StoreError

_LOCKED_AWAY = (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_IOERR)


def copy_database(path: Path, copy: Path, in_use: bool | None = None) -> None:
    """A consistent copy of a SQLite database; nothing is written beside the original.

    Raises `StoreError` for what is no database, and where the copy cannot be written.
    """
    # Where a journal lies beside it, somebody may be writing, and locks are needed; without one, opening the file in
    # the ordinary way would leave such a journal behind.
    if in_use is None:
        in_use = path.with_name(f"{path.name}-wal").exists()
    mode = "mode=ro" if in_use else "mode=ro&immutable=1"
    try:
        try:
            _back_up(path, mode, copy)
        except sqlite3.OperationalError as error:
            if not is_locked_away(error):
                raise
            with tempfile.TemporaryDirectory(prefix="bench-copy-", dir=copy.absolute().parent) as folder:
                _back_up(copy_files(path, Path(folder)), "mode=rw", copy)
    except (sqlite3.Error, OSError) as error:
        raise StoreError(f"{path} cannot be read as a results database ({error}); check the file.") from None


def copy_files(path: Path, folder: Path) -> Path:
    """A copy of a database's file in a folder, its log beside it: for a place where SQLite can write nothing, and
    hardly anybody else does. Raises `OSError`."""
    for end in ("", "-wal"):
        found = path.with_name(f"{path.name}{end}")
        if not end or found.exists():
            shutil.copyfile(found, folder / found.name)
    return folder / path.name


def has_log(path: Path) -> bool:
    """Whether something lies in a database's log that is not in its file yet."""
    log = path.with_name(f"{path.name}-wal")
    return log.exists() and log.stat().st_size > 0


def is_locked_away(error: BaseException | None) -> bool:
    """Whether a database's file or its folder cannot be written, or its log cannot be made there."""
    return (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF in _LOCKED_AWAY


def _back_up(path: Path, mode: str, copy: Path) -> None:
    with (
        closing(sqlite3.connect(f"{path.absolute().as_uri()}?{mode}", uri=True)) as original,
        closing(sqlite3.connect(copy)) as target,
    ):
        original.backup(target)


def back_up(path: Path, schema: str) -> Path:
    """A copy of a database beside it, named by its schema; it appears whole or not at all, and replaces nothing."""
    names = (f"{path.name}.{schema}-backup{f'-{number}' if number > 1 else ''}" for number in count(1))
    try:
        descriptor, partial = tempfile.mkstemp(dir=path.absolute().parent, prefix=".bench-", suffix=".partial")
        try:
            copy_database(path, Path(partial), in_use=True)
            os.fsync(descriptor)
            backup = next(found for name in names if not (found := path.with_name(name)).exists())
            Path(partial).rename(backup)
        finally:
            os.close(descriptor)
            Path(partial).unlink(missing_ok=True)
    except (OSError, StoreError) as error:
        raise StoreError(
            f"{path} could not be copied ({error}), so it was left as it is; mend the cause, then run `bench upgrade` "
            f"again."
        ) from None
    return backup
