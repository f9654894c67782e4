"""Opens a store for a look before any work: it may not be there yet, and is not made for that."""

from __future__ import annotations

from pathlib import Path

from bench.store.database.connect import Address, Nowhere
from bench.store.database.opening import AbsentError, check_place
from bench.store.store import Store

NOWHERE = Nowhere("sqlite://")
"""A database in this process's memory."""


def glance(location: str | Path, artifacts: str | None = None) -> Store:
    """The store as it is, only to be read; an empty one in memory where there is none yet.

    Raises `StoreError` where no store could be made either.
    """
    try:
        return Store(location, create=False, artifacts=artifacts)
    except AbsentError:
        path = Address.of(location).path
        if path is not None:
            check_place(path, create=True)
        return Store(NOWHERE, artifacts=artifacts)
