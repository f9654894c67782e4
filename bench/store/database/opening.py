"""Opens a store's database for work or for reading: older schemas and places where SQLite cannot work included."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine

from bench.domain.errors import StoreError
from bench.domain.text import command
from bench.store.database.connect import Address
from bench.store.database.copying import copy_database, has_log
from bench.store.database.mounts import network_type
from bench.store.database.versions import OLDER, READABLE, SCHEMA, LockedAwayError, build, look


class AbsentError(StoreError):
    """There is no results database at the place that was named."""


@dataclass(frozen=True)
class Opened:
    """A database that can be worked with, and its schema; `refusal` says why it can only be read, where that is so."""

    engine: Engine
    address: Address
    refusal: str | None = None
    schema: str = SCHEMA


def open_database(location: str | Path, *, create: bool = True) -> Opened:
    """The database of a path or a SQLAlchemy URL, its schema made where there is none.

    Without `create` it is only looked at: nothing is made, and an older schema stays what it is; where its tables are
    not today's, or the file lies on a network file system, a temporary copy of it is read.

    Raises `StoreError` for a file that is no database, an unknown or unreachable URL, and a schema of another bench;
    without `create`, for a database that is not there; with it, for an older schema and a network file system.
    """
    address = Address.of(location)
    if address.path is not None:
        distant = check_place(address.path, create)
        if distant and create:
            raise StoreError(distant)
        if distant:
            return _read_copy(address, address.path, distant)
        if create and address.path.exists():
            _look_first(address)
    engine = address.engine(switch=create, mode="rwc" if create else "rw")
    try:
        try:
            found = look(engine, address.shown)
        except LockedAwayError:
            if create or address.path is None:
                raise
            engine.dispose()
            return _read_locked_away(address, address.path)
        if found is None and not create:
            raise AbsentError(_absent(address.shown))
        refusal = _outdated(address.shown, found) if found in OLDER else None
        if refusal and (create or (address.path is None and found not in READABLE)):
            raise StoreError(refusal)
        if found is None:
            build(engine, address.shown)
    except BaseException:
        engine.dispose()
        raise
    if refusal and address.path is not None and found not in READABLE:
        engine.dispose()
        return _read_copy(address, address.path, refusal)
    return Opened(engine, address, refusal, found or SCHEMA)


def _look_first(address: Address) -> None:
    """Raise `StoreError` for a file of another program, before anything about it is changed."""
    probe = address.engine(switch=False, mode="rw")
    try:
        look(probe, address.shown)
    finally:
        probe.dispose()


def _read_locked_away(address: Address, path: Path) -> Opened:
    """A database where nothing can be written: as it lies there, or a temporary copy if its log must be read too."""
    refusal = f"{path} lies where nothing can be written, so that it can only be read; work with a copy of it."
    if has_log(path):
        return _read_copy(address, path, refusal)
    engine = address.engine(switch=False, mode="immutable")
    try:
        found = look(engine, address.shown)
        if found is None:
            raise AbsentError(_absent(address.shown))
    except BaseException:
        engine.dispose()
        raise
    if found in OLDER and found not in READABLE:
        engine.dispose()
        return _read_copy(address, path, refusal)
    return Opened(engine, address, refusal, found)


def check_place(path: Path, create: bool) -> str | None:
    """Why a database's file is not written at its place, which is on a network file system; None on a local one.

    Raises `StoreError` where no file can be, and, without `create`, where none is.
    """
    try:
        path.stat()
    except FileNotFoundError:
        pass
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise StoreError(f"{str(path)[:80]} can be no database ({reason}); name another --db.") from None
    if path.is_dir():
        raise StoreError(f"{path} is a folder; --db needs a file, such as {path / 'results.db'}.")
    if path.exists() and not path.is_file():
        raise StoreError(f"{path} is no file; --db needs one, such as results.db.")
    if not path.exists() and not create:
        raise AbsentError(_absent(str(path)))
    if not path.absolute().parent.is_dir():
        raise StoreError(f"The folder {path.absolute().parent} does not exist; make it first, or name another --db.")
    network = network_type(path)
    return network and (
        f"{path} lies on a network file system ({network}), where SQLite's log does not work and results can be lost; "
        f"give --db a PostgreSQL server, or a file on a local disk for each worker and join them with `bench merge`."
    )


def _outdated(shown: str, schema: str | None) -> str:
    """Why a store of an older schema is not written, and what to do."""
    return (
        f"{shown} has schema {schema!r}, this bench writes {SCHEMA!r}; run {command('upgrade', '--db', shown)} first, "
        f"which keeps a copy of a file. Reading it needs no upgrade."
    )


def _absent(shown: str) -> str:
    return f"There is no results database at {shown}; run `bench evaluate` first, or name one with --db."


def _read_copy(address: Address, path: Path, refusal: str) -> Opened:
    """A temporary copy of a file, brought up to date; it goes away with the engine."""
    folder = tempfile.mkdtemp(prefix="bench-reading-")
    try:
        copy = Path(folder) / path.name
        copy_database(path, copy)
        engine = Address.of(copy).engine()
        found = look(engine, address.shown)
        if found is None:
            raise AbsentError(_absent(address.shown))
        if found != SCHEMA:
            build(engine, address.shown)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    weakref.finalize(engine, shutil.rmtree, folder, ignore_errors=True)
    return Opened(engine, address, refusal)
