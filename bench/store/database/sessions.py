"""Transactions on an open store: tried again while that helps, and a sentence where it does not."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from bench.domain.errors import StoreError
from bench.store.database.connect import writing
from bench.store.database.patience import WORKING, patiently

Found = TypeVar("Found")


class Sessions:
    """Hands sessions to work. `location` is what messages call the store, `refusal` why it can only be read."""

    def __init__(self, engine: Engine, location: str, refusal: str | None = None, patience: float = WORKING) -> None:
        self.engine = engine
        self._writing = writing(engine)
        self.location = location
        self.refusal = refusal
        self.patience = patience

    def read(self, work: Callable[[Session], Found]) -> Found:
        """What `work` finds in a transaction that only reads; it may run several times."""

        def once() -> Found:
            with Session(self.engine) as session:
                return work(session)

        return self._patiently(once)

    def write(self, work: Callable[[Session], Found]) -> Found:
        """What `work` returns when its transaction is committed; it may run several times, the last one counts.

        A commit whose answer was lost is done again, so `work` must do nothing where it finds its own work done.
        Raises `StoreError`, also for a store that can only be read.
        """
        if self.refusal:
            raise StoreError(self.refusal)

        def once() -> Found:
            with Session(self._writing) as session, session.begin():
                return work(session)

        return self._patiently(once)

    def _patiently(self, once: Callable[[], Found]) -> Found:
        try:
            return patiently(once, self.patience)
        except DBAPIError as error:
            raise StoreError(
                f"The store {self.location} could not be read or written ({said(error)}); finished shards are kept. "
                f"Mend the cause, then run the same command again."
            ) from None


def said(error: DBAPIError) -> str:
    """What the database said, in one line."""
    return " ".join(str(error.orig).split()).rstrip(".")
