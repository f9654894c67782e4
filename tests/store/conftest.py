"""Stores on each database that bench knows."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.store.database.schema import Table
from bench.store.store import Store
from tests import needs
from tests.store.server import Server, programs


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A PostgreSQL server."""
    folder = programs()
    if folder is None:
        pytest.skip(needs.reason("PostgreSQL", "psycopg"))
    server = Server(folder)
    yield server
    server.close()


@pytest.fixture(scope="session")
def shared(server: Server) -> str:
    """The URL of a database on the server that tests use one after another."""
    return server.database()


@pytest.fixture(params=["sqlite", "postgresql"])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Where a store can be made, and nothing is yet."""
    if request.param == "sqlite":
        yield str(tmp_path / "results.db")
        return
    server = request.getfixturevalue("server")
    url = server.database()
    yield url
    server.drop(url)


@pytest.fixture(params=["sqlite", "postgresql"])
def store(
    request: pytest.FixtureRequest, tmp_path: Path, empty: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Store]:
    """An empty store."""
    monkeypatch.chdir(tmp_path)  # a server's crafted images lie in the working folder
    if request.param == "sqlite":
        store = Store(shutil.copyfile(empty, tmp_path / "results.db"))
    else:
        store = Store(request.getfixturevalue("shared"))
        with store._engine.begin() as connection:
            tables = ", ".join(Table.metadata.tables)
            connection.exec_driver_sql(f"TRUNCATE {tables} RESTART IDENTITY CASCADE")
    yield store
    store.close()


@pytest.fixture
def file_store(tmp_path: Path, empty: Path) -> Store:
    """An empty store in a SQLite file."""
    return Store(shutil.copyfile(empty, tmp_path / "results.db"))
