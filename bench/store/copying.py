"""Copies a SQLite database, whoever is using it."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from contextlib import closing
from itertools import count
from pathlib import Path

from bench.domain.errors import StoreError


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
        with (
            closing(sqlite3.connect(f"{path.absolute().as_uri()}?{mode}", uri=True)) as original,
            closing(sqlite3.connect(copy)) as target,
        ):
            original.backup(target)
    except sqlite3.Error as error:
        raise StoreError(f"{path} cannot be read as a results database ({error}); check the file.") from None


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
