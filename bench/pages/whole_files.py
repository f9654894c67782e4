"""Files that appear whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from bench.domain.errors import BenchError, UsageError

SQLITE, BESIDE = b"SQLite format 3\x00", ("-wal", "-shm", "-journal")
"""How a database's file begins, and how the names of those beside it end."""

STDOUT = "-"


@contextmanager
def replacing(output: Path, what: str = "The file", advice: str = "name another file") -> Iterator[BinaryIO]:
    """A file to write into, which takes the place of an older `output` when it is done; missing folders are made.

    Raises `BenchError`, which says `what` the file is and what to do, where it cannot be written.
    """
    refuse_stdout(output, what, advice)
    place = output.resolve()  # a link goes on leading to the file
    if _is_of_a_database(place):
        raise UsageError(f"{output} is a database's, and would be lost; {advice}.")
    partial = place.with_name(f".{place.name}.{os.getpid()}.partial")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        if place.exists() and not place.is_file():
            with place.open("wb") as device:  # /dev/stdout cannot be replaced, and a folder says so itself
                yield device
            return
        try:
            with partial.open("wb") as file:
                yield file
            partial.replace(place)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise BenchError(f"{what} could not be written to {output} ({error.strerror}); {advice}.") from None


def refuse_stdout(output: Path, what: str, advice: str) -> None:
    """Raise `UsageError` for '-', which is no file."""
    if str(output) == STDOUT:
        raise UsageError(f"{what} is not written to stdout, which {STDOUT!r} would mean; {advice}.")


def _is_of_a_database(place: Path) -> bool:
    """Whether a file is SQLite's, or one of those that it keeps beside its own while it works."""
    for end in BESIDE:
        if place.name.endswith(end) and _is_of_a_database(place.with_name(place.name.removesuffix(end))):
            return True
    try:
        with place.open("rb") as file:
            return file.read(len(SQLITE)) == SQLITE
    except OSError:
        return False
