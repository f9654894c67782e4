"""The SHA-256 of files, each read once as long as it stays as it is."""

from __future__ import annotations

import hashlib
import time
from functools import lru_cache
from pathlib import Path

from bench.domain.errors import UsageError

SETTLED = 2 * 10**9
"""Nanoseconds after which a file counts as written: a second change within a clock's tick would leave no trace."""


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes; `UsageError` where it cannot be read."""
    try:
        found = path.stat()
        if time.time_ns() - found.st_mtime_ns < SETTLED:
            return _read(path)
        return _remembered(path.resolve(), found.st_size, found.st_mtime_ns)
    except OSError as error:
        raise UsageError(f"The file {path} cannot be read ({error.strerror}); check the path.") from None


@lru_cache(maxsize=4096)
def _remembered(path: Path, size: int, changed: int) -> str:
    return _read(path)


def _read(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
