"""Servers that go away for a while, and files that are locked for long."""

from __future__ import annotations

import random
import signal
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from bench.domain.errors import StoreError
from bench.domain.plan import Plan
from bench.store.database import connect
from bench.store.rows.records import ShardRecord, Whole
from bench.store.rows.writing import add_plan, fill
from bench.store.store import Store
from tests.store.crowd import CONTEXT, SECONDS, work_off
from tests.store.server import Server
from tests.store.silence import can_be_made, link_to
from tests.store.test_store import plan_of, result_of


def whole(plan: Plan, number: int) -> Whole:
    """A finished shard."""
    result = result_of(plan, number)
    return ShardRecord.of_result(result), result.outcomes


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT], ids=["stopped", "crashed"])
def test_a_server_that_is_started_again_is_waited_for(server: Server, how: signal.Signals) -> None:
    url, plan = server.database(), plan_of(160)
    store = Store(url)

    def restart() -> None:
        time.sleep(0.2)
        server.stop(how)
        time.sleep(0.5)
        server.start()

    restarting = threading.Thread(target=restart)
    restarting.start()
    for shard in plan.shards():
        store.claims.take(plan, [shard.index], "me", 60.0)
        store.add(plan, result_of(plan, shard.index))
        time.sleep(0.03)
    restarting.join(SECONDS)
    assert tuple(outcome.index for outcome in store.outcomes(plan)) == plan.indices
    assert (store.conflicts(), store.claims.held()) == ((), ())
    store.close()
    server.drop(url)


def test_a_server_that_stays_away_is_one_sentence(server: Server) -> None:
    url, plan = server.database(), plan_of()
    store = Store(url)
    store._sessions.patience = 0.5
    server.stop()
    try:
        with pytest.raises(StoreError, match=r"could not be read or written .*finished shards are kept") as raised:
            store.add(plan, result_of(plan, 0))
        assert "\n" not in str(raised.value)
        with pytest.raises(StoreError, match="could not be read"):
            store.plans()
    finally:
        server.start()
    store.add(plan, result_of(plan, 0))
    assert len(store.outcomes(plan)) == 4
    store.close()
    server.drop(url)


def test_a_lock_that_outlasts_sqlites_own_patience_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connect, "BUSY_SECONDS", 0.1)
    store, plan = Store(tmp_path / "results.db"), plan_of()
    with closing(sqlite3.connect(tmp_path / "results.db", check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        releasing = threading.Timer(1.0, other.rollback)
        releasing.start()
        store.add(plan, result_of(plan, 0))
        releasing.join()
        assert len(store.outcomes(plan)) == 4
        other.execute("BEGIN IMMEDIATE")
        store._sessions.patience = 0.3
        with pytest.raises(StoreError, match="database is locked"):
            store.add(plan, result_of(plan, 1))


def test_a_new_file_that_another_process_has_locked_is_waited_for(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "results.db", check_same_thread=False, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")  # SQLite's own patience does not hold for the switch to a log
        releasing = threading.Timer(0.5, other.rollback)
        releasing.start()
        assert Store(tmp_path / "results.db").plans() == []
        releasing.join()


@pytest.mark.parametrize("seconds", [1, 8], ids=["briefly", "for longer than it is waited for"])
def test_a_link_that_falls_silent_within_a_transaction_leaves_no_lock_behind(
    server: Server, monkeypatch: pytest.MonkeyPatch, seconds: int
) -> None:
    if not can_be_made():
        pytest.skip("needs root, who alone makes a network, and ip: apt-get install iproute2")
    monkeypatch.setattr(connect, "SILENT_SECONDS", 3)
    url, plan, near = server.database(), plan_of(), None
    base = url.split("/")[3].split("?")[0]
    with link_to(server.folder / ".s.PGSQL.5432") as link:
        near = Store(url)  # past the link
        far = Store(f"postgresql://bench@{link.host}:{link.port}/{base}?tcp_user_timeout=3000&connect_timeout=2")
        tries = []

        def work(session: Session) -> None:
            add_plan(session, plan, computed_here=True, alone=True)
            tries.append(time.monotonic())
            if len(tries) == 1:
                link.silence()
                threading.Timer(seconds, link.speak).start()
            fill(session, plan, [whole(plan, 0)])

        far._sessions.write(work)
        assert len(tries) == (1 if seconds == 1 else 2)
        started = time.monotonic()
        near.add(plan, result_of(plan, 1))  # which needs the lock of the plan
        far.add(plan, result_of(plan, 2))
        assert time.monotonic() - started < 10
        assert near.shard_numbers(plan) == {0, 1, 2}
        assert near.conflicts() == ()
        far.close()
    near.close()
    server.drop(url)


def test_a_lock_of_a_run_that_has_gone_silent_ends_by_itself(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connect, "SILENT_SECONDS", 1)
    url, plan = server.database(), plan_of()
    with closing(Store(url)) as silent, closing(Store(url)) as other, Session(silent._engine) as session:
        add_plan(session, plan, computed_here=True)
        session.commit()
        add_plan(session, plan, computed_here=True, alone=True)  # and then not a word more
        started = time.monotonic()
        other.add(plan, result_of(plan, 0))
        assert 0.5 < time.monotonic() - started < 10
        with pytest.raises(DBAPIError):
            session.commit()
    server.drop(url)


def weathered(
    location: str, chance: random.Random, most: float, pause: float, crash: Callable[[], None] | None = None
) -> Store:
    """A store whose 40 shards are whole, though of four workers three were killed, each within so many seconds."""
    plan = plan_of(160)
    workers = [
        CONTEXT.Process(target=work_off, args=(location, f"worker {number}", 2.0, 3, pause)) for number in range(4)
    ]
    for worker in workers:
        worker.start()
    for worker in workers[:3]:
        time.sleep(chance.uniform(0, most))
        worker.kill()
        if crash is not None:
            crash()
    workers[3].join(SECONDS)
    assert workers[3].exitcode == 0
    store = Store(location)
    assert tuple(outcome.index for outcome in store.outcomes(plan)) == plan.indices
    assert (store.conflicts(), len(store.shards(plan))) == ((), 40)
    return store


@pytest.mark.slow
def test_a_storm_of_crashing_servers_and_killed_workers_loses_nothing(server: Server) -> None:
    url, chance = server.database(), random.Random(2024)
    Store(url).close()

    def crash() -> None:
        if chance.random() < 0.7:
            server.stop(chance.choice([signal.SIGINT, signal.SIGQUIT]))
            time.sleep(chance.uniform(0, 2))
            server.start()

    for _ in range(10):
        store = weathered(url, chance, 1, 0.2, crash)
        with store._engine.begin() as connection:
            connection.exec_driver_sql("DELETE FROM shards")
        store.close()
    server.drop(url)


@pytest.mark.slow
def test_a_storm_of_killed_workers_on_a_file_loses_nothing(tmp_path: Path) -> None:
    chance = random.Random(2024)
    for number in range(10):
        weathered(str(tmp_path / f"{number}.db"), chance, 0.7, 0.1)
