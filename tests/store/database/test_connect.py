from __future__ import annotations

import time

import pytest

from bench.domain.errors import StoreError, UsageError
from bench.store.database.connect import Address, without_password
from bench.store.others.lend import lend
from bench.store.store import Store
from tests import needs
from tests.store.server import Server


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("postgresql://me:se%40cret@host/name", "postgresql://me:***@host/name"),
        ("postgresql://host/name?user=me&password=secret&sslmode=require", None),
        ("postgresql://me@host:5432/name", "postgresql://me@host:5432/name"),
        ("postgresql:///name?host=/run", "postgresql:///name?host=/run"),
        ("folder/results.db", "folder/results.db"),
    ],
)
def test_a_password_is_shown_nowhere(written: str, shown: str | None) -> None:
    expected = shown or "postgresql://host/name?user=me&password=***&sslmode=require"
    assert Address.of(written).shown == expected


def test_nor_is_one_that_nobody_could_parse() -> None:
    assert without_password("postgresql://me:p@ss:word@host:5432/name") == "postgresql://me:***@host:5432/name"


@pytest.mark.parametrize(
    "location",
    [
        "postgresql://me:secret@localhost:1/name",
        "postgresql://me:secret@localhost:port/name",
        "nosuch://me:secret@host/name",
        "mysql://me:secret@host/name",
        "postgresql+nosuch://me:secret@host/name",
    ],
)
def test_what_cannot_be_opened_is_one_sentence_without_the_password(
    location: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("psycopg", reason=needs.reason("psycopg"))
    monkeypatch.setattr("bench.store.database.versions.OPENING", 0.2)
    with pytest.raises(StoreError) as raised:
        Store(location)
    assert "secret" not in str(raised.value)
    assert "***" in str(raised.value)
    with pytest.raises(UsageError) as refused, lend(location):
        pass
    assert "secret" not in str(refused.value)


def test_a_server_without_a_store_is_not_given_one_by_reading(server: Server) -> None:
    url = server.database()
    with pytest.raises(StoreError, match=r"There is no results database at .*bench evaluate"):
        Store(url, create=False)
    name = url.split("/")[3].split("?")[0]
    assert server.ask(name, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == [(0,)]
    Store(url)
    assert Store(url, create=False).plans() == []
    server.drop(url)


def test_a_database_that_does_not_exist_is_said_at_once(server: Server) -> None:
    start = time.monotonic()
    with pytest.raises(StoreError, match="does not exist"):
        Store(f"postgresql:///nothing?host={server.folder}&user=bench")
    assert time.monotonic() - start < 5


def test_a_foreign_and_a_newer_database_on_a_server_are_refused(server: Server) -> None:
    foreign, newer = server.database(), server.database()
    server.ask(foreign.split("/")[3].split("?")[0], "CREATE TABLE plans (id INTEGER)")
    with pytest.raises(StoreError, match="another program"):
        Store(foreign)
    Store(newer).close()
    server.ask(newer.split("/")[3].split("?")[0], "UPDATE bench_schema SET version_num = '9999'")
    with pytest.raises(StoreError, match="schema '9999'"):
        Store(newer)
    server.drop(foreign)
    server.drop(newer)
