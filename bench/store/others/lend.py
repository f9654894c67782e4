"""Opens somebody else's store for reading, without leaving a trace in it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.domain.errors import StoreError, UsageError
from bench.store.database.connect import without_password
from bench.store.database.copying import copy_database
from bench.store.images.artifacts import Artifacts, place_of
from bench.store.store import Store

URL = "sqlite:///"


@dataclass(frozen=True)
class Lent:
    """Another store while it is read: a copy of its database, brought up to date, and its own crafted images."""

    location: str
    path: Path
    store: Store
    artifacts: Artifacts


@contextmanager
def lend(location: str) -> Iterator[Lent]:
    """Another store for reading, which is never changed: neither its file, nor the folder that the file is in.

    Raises `UsageError` for what is no file, `StoreError` for a file that is no results database.
    """
    path = Path(location.removeprefix(URL))
    if "://" in location.removeprefix(URL):
        raise UsageError(
            f"{without_password(location)} is no file: merge from SQLite files, and give a server's database with --db."
        )
    try:
        is_there = path.is_file()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"{str(path)[:80]} can be no database ({reason}); give the file of another store.") from None
    if not is_there:
        raise UsageError(f"There is no results database at {path}; give the file that another `bench` has written.")
    with tempfile.TemporaryDirectory(prefix="bench-merge-") as folder:
        copy = Path(folder) / path.name
        copy_database(path, copy)
        try:
            store = Store(copy, create=False)
        except StoreError as error:
            raise StoreError(str(error).replace(str(copy), str(path))) from None
        with closing(store):
            yield Lent(location, path, store, Artifacts(place_of(None, path)))
