"""Brings a store of an older schema up to date, with a copy of what it was."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.exc import DBAPIError

from bench.domain.errors import StoreError
from bench.store.database.connect import Address, writing
from bench.store.database.copying import back_up
from bench.store.database.opening import check_place
from bench.store.database.patience import WORKING, patiently
from bench.store.database.sessions import said
from bench.store.database.versions import SCHEMA, lock, look, migrate, version


@dataclass(frozen=True)
class Upgraded:
    """What an upgrade did: the schemas `before` and `after` it, equal where nothing was to be done, and the `backup` of
    a file."""

    location: str
    before: str
    after: str
    backup: Path | None = None


def upgrade(location: str | Path) -> Upgraded:
    """Give a store the newest schema, in one transaction; a file is copied first, beside itself.

    Of several processes one does it, and nothing that another one writes meanwhile is left out of copy or store.
    Raises `StoreError` where there is no store, it cannot be copied or changed, or it is a newer bench's.
    """
    address = Address.of(location)
    distant = None if address.path is None else check_place(address.path, create=False)
    if distant:
        raise StoreError(distant)
    engine = address.engine()
    if look(engine, address.shown) is None:
        raise StoreError(f"There is no results database at {address.shown}, so there is nothing to upgrade.")

    def once() -> Upgraded:
        with writing(engine).begin() as connection:
            lock(connection)
            found = version(connection) or ""
            if found == SCHEMA:  # another process was faster, or it was never older
                return Upgraded(address.shown, found, found)
            backup = None if address.path is None else back_up(address.path, found)
            migrate(connection)
        return Upgraded(address.shown, found, SCHEMA, backup)

    try:
        return patiently(once, WORKING)
    except DBAPIError as error:
        raise StoreError(
            f"{address.shown} could not be upgraded ({said(error)}) and was left as it is; mend the cause, then run "
            f"`bench upgrade` again."
        ) from None
    finally:
        engine.dispose()
