"""What several processes do to one store at once."""

from __future__ import annotations

import time
from pathlib import Path

from bench.store.database.connect import Address, writing
from bench.store.database.upgrade import upgrade
from bench.store.database.versions import SCHEMA, migrate
from bench.store.store import Store
from tests.store.crowd import CONTEXT, SECONDS, add_all, crowd, fill_all, open_it, take_and_die, upgrade_it, work_off
from tests.store.honest import restore
from tests.store.server import Server
from tests.store.test_store import plan_of, result_of


def test_a_store_that_several_open_first_is_made_once(tmp_path: Path) -> None:
    for number in range(4):
        assert crowd(open_it, [(str(tmp_path / f"{number}.db"),)] * 4) == [0] * 4


def test_a_store_on_a_server_that_several_open_first_is_made_once(server: Server) -> None:
    for _ in range(2):
        url = server.database()
        assert crowd(open_it, [(url,)] * 4) == [0] * 4
        server.drop(url)


def test_eight_writers_at_once_lose_nothing(location: str) -> None:
    assert crowd(add_all, [(location, seed) for seed in range(8)]) == [0] * 8
    store = Store(location)
    assert sum(len(store.outcomes(plan_of(40, seed))) for seed in range(8)) == 320


def test_eight_writers_of_the_same_shards_agree_on_what_was_first(location: str) -> None:
    met = crowd(add_all, [(location, 0, label) for label in (3, 3, 3, 3, 3, 3, 2, 2)])
    store, plan = Store(location), plan_of(40)
    assert tuple(outcome.index for outcome in store.outcomes(plan)) == plan.indices
    # every shard met the other label at least once, and kept that once
    assert sorted(conflict.number for conflict in store.conflicts()) == list(range(10))
    assert sum(met) >= 10


def test_several_merges_at_once_copy_each_shard_once_and_never_mix_a_plan(location: str) -> None:
    seeds = [(0, 1, 2, 3), (3, 2, 1, 0), (1, 3, 0, 2), (2, 0, 3, 1)]
    copied = crowd(fill_all, [(location, order, label) for order, label in zip(seeds, (1, 1, 1, 2), strict=True)])
    assert sum(copied) == 12
    store = Store(location)
    for seed in range(4):
        labels = {outcome.label for outcome in store.outcomes(plan_of(12, seed))}
        assert len(labels) == 1
        assert len(store.conflicts(plan_of(12, seed))) == 3


def test_an_upgrade_by_several_happens_once(tmp_path: Path) -> None:
    path = restore("schema_0002", tmp_path)
    before = Store(path, create=False)
    found = crowd(upgrade_it, [(str(path),)] * 4)
    assert sorted(found) == ["0002", SCHEMA, SCHEMA, SCHEMA]
    assert [each.name for each in tmp_path.glob("*backup*")] == ["schema_0002.db.0002-backup"]
    after = Store(path)
    assert [after.outcomes(plan) for plan in after.plans()] == [before.outcomes(plan) for plan in before.plans()]


def test_an_upgrade_of_a_server_by_several_happens_once(server: Server) -> None:
    url = server.database()
    engine, name = Address.of(url).engine(), url.split("/")[3].split("?")[0]
    with writing(engine).begin() as connection:
        migrate(connection, "0002")
    engine.dispose()
    server.ask(name, "INSERT INTO environments VALUES ('0', '{}')")
    assert sorted(crowd(upgrade_it, [(url,)] * 4)) == ["0002", SCHEMA, SCHEMA, SCHEMA]
    assert server.ask(name, "SELECT digest FROM environments") == [("0",)]
    assert upgrade(url).before == SCHEMA
    assert Store(url).plans() == []
    server.drop(url)


def test_each_shard_is_computed_once_by_workers_that_claim(location: str) -> None:
    mine = crowd(work_off, [(location, f"worker {number}", 60.0, 1 + number % 3) for number in range(4)])
    assert sorted(number for each in mine for number in each) == list(range(40))
    store = Store(location)
    assert len(store.outcomes(plan_of(160))) == 160
    assert store.claims.held() == ()


def test_the_shards_of_a_worker_that_died_are_taken_over_when_its_lease_is_over(location: str) -> None:
    store, plan = Store(location), plan_of(160)
    for number in range(3, 38):
        store.add(plan, result_of(plan, number))
    dead = CONTEXT.Process(target=take_and_die, args=(location, "dead", 3.0))
    dead.start()
    dead.join(SECONDS)
    assert dead.exitcode == -9
    assert {claim.shard for claim in store.claims.held()} == {0, 1, 2}
    start = time.monotonic()
    assert work_off(location, "alive", 60.0, 40) == [38, 39, 0, 1, 2]
    assert time.monotonic() - start < 10
    assert len(store.outcomes(plan)) == 160
