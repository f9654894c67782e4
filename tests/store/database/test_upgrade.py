"""Stores of older schemas are read as they are, and upgraded with the numbers that they had."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import JSON, Boolean, DateTime, MetaData

from bench.domain.errors import StoreError
from bench.domain.labels import Labels
from bench.domain.plan import FIRST_HARNESS, Plan
from bench.store import migrations
from bench.store.claims import Claims
from bench.store.database.connect import Address, writing
from bench.store.database.upgrade import upgrade
from bench.store.database.versions import OLDER, READABLE, SCHEMA, migrate
from bench.store.rows.records import Whole
from bench.store.store import Store
from tests.store.honest import restore
from tests.store.rows import editing
from tests.store.server import Server
from tests.store.test_store import plan_of, result_of


def stored(path: Path, columns: str, table: str, order: str) -> list[tuple[Any, ...]]:
    """What a database holds, asked past bench."""
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(f"SELECT {columns} FROM {table} ORDER BY {order}").fetchall()


def contents(folder: Path) -> dict[str, bytes]:
    """All files of a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def dump(path: Path) -> list[str]:
    """A database as statements."""
    with closing(sqlite3.connect(path)) as connection:
        return list(connection.iterdump())


def opened(path: Path, upgraded: bool) -> Store:
    """An old store, read as it is or after an upgrade."""
    if upgraded:
        upgrade(path)
    return Store(path, create=upgraded)


@pytest.mark.parametrize("upgraded", [False, True])
@pytest.mark.parametrize("schema", OLDER)
def test_a_store_of_an_older_schema_has_the_same_numbers(schema: str, upgraded: bool, tmp_path: Path) -> None:
    path = restore(f"schema_{schema}", tmp_path)
    columns = "sample, label, clean, perturbed, distance, radius"
    columns += ", minimal, broken_at" if schema != "0001" else ", NULL, NULL"
    columns += ", fell_to" if schema >= "0003" else ", NULL"
    joined = "outcomes JOIN shards ON shards.id = outcomes.shard"
    with editing(shutil.copyfile(path, tmp_path / "rows.db")) as connection:
        outcomes = connection.execute(
            f"SELECT plan, {columns} FROM {joined} ORDER BY plan, number, position"
        ).fetchall()
    shards = stored(path, "plan, number, perturbed_sha256, invalid, forwards, seconds", "shards", "plan, number")
    documents = dict(stored(path, "digest, document", "plans", "digest"))

    store = opened(path, upgraded)
    plans = {plan.digest: plan for plan in store.plans()}
    assert {digest: plan.document() for digest, plan in plans.items()} == {
        digest: json.loads(text) for digest, text in documents.items()
    }
    found = [
        (
            *(digest, o.index, o.label, json.dumps(o.clean), json.dumps(o.perturbed)),
            *(o.distance, o.radius, o.minimal, o.broken_at, o.fell_to),
        )
        for digest in sorted(plans)
        for o in store.outcomes(plans[digest])
    ]
    assert found == outcomes
    records = [(digest, record) for digest in sorted(plans) for record in store.shards(plans[digest])]
    assert [(digest, r.number, r.perturbed_sha256, r.invalid, r.forwards, r.seconds) for digest, r in records] == shards
    if schema < "0003":
        assert {plan.harness for plan in plans.values()} == {FIRST_HARNESS}
        assert {(record.facts, record.origin, record.claimed) for _, record in records} == {(None, None, False)}
    assert len(store.conflicts()) == (1 if schema >= "0003" else 0)
    assert all(store.pending(plan) == () for plan in plans.values())
    assert (store.claims.held(), store.claims.workers(), store.labels.all()) == ((), (), {})
    assert stored(path, "version_num", "bench_schema", "1") == [(SCHEMA if upgraded else schema,)]


@pytest.mark.parametrize("schema", OLDER)
def test_reading_changes_nothing_and_leaves_nothing(schema: str, tmp_path: Path) -> None:
    path = restore(f"schema_{schema}", tmp_path)
    before = contents(tmp_path)
    store = Store(path, create=False)
    assert store.plans()
    assert store.path == path
    with pytest.raises(StoreError, match=f"has schema '{schema}'.*run `bench upgrade --db {path}` first"):
        store.add(plan_of(), result_of(plan_of(), 0))
    with pytest.raises(StoreError, match="bench upgrade"):
        store.claims.take(plan_of(), [0], "me", 9)
    with pytest.raises(StoreError, match="bench upgrade"):
        store.labels.add(store.plans(), Labels.of(["nightly"]))
    store.close()
    assert contents(tmp_path) == before


@pytest.mark.parametrize("schema", OLDER)
def test_an_older_store_is_not_written_before_it_is_upgraded(schema: str, tmp_path: Path) -> None:
    path = restore(f"schema_{schema}", tmp_path)
    before = dump(path)
    with pytest.raises(StoreError, match="Reading it needs no upgrade"):
        Store(path)
    assert dump(path) == before
    upgrade(path)
    store = Store(path)
    store.add(plan_of(seed=9), result_of(plan_of(seed=9), 0))
    assert isinstance(store.claims, Claims)
    assert store.claims.take(plan_of(seed=9), [0, 1], "me", 9) == {1}
    store.labels.add([plan_of(seed=9)], Labels.of(["nightly"]))
    assert store.labels.all() == {plan_of(seed=9).digest: Labels(("nightly",))}


@pytest.mark.parametrize("schema", OLDER)
def test_an_upgrade_keeps_a_copy_and_happens_once(schema: str, tmp_path: Path) -> None:
    path = restore(f"schema_{schema}", tmp_path)
    old = dump(path)
    (tmp_path / f"{path.name}.{schema}-backup").write_text("an earlier one")
    done = upgrade(path)
    assert (done.before, done.after, done.backup) == (schema, SCHEMA, tmp_path / f"{path.name}.{schema}-backup-2")
    assert done.backup is not None
    assert dump(done.backup) == old
    assert (tmp_path / f"{path.name}.{schema}-backup").read_text() == "an earlier one"
    after = dump(path)
    again = upgrade(path)
    assert (again.before, again.after, again.backup) == (SCHEMA, SCHEMA, None)
    assert dump(path) == after
    assert stored(path, "count(*)", "pragma_foreign_key_check", "1") == [(0,)]
    assert not list(tmp_path.glob(".*.partial"))


def moved(path: Path, url: str, schema: str) -> None:
    """What a SQLite file of a schema holds, on a server."""
    engine = Address.of(url).engine()
    with writing(engine).begin() as connection:
        migrate(connection, schema)
        tables = MetaData()
        tables.reflect(connection)
        kinds: dict[type, Any] = {JSON: json.loads, DateTime: datetime.fromisoformat, Boolean: bool}
        for table in tables.sorted_tables:
            read = [
                next((f for kind, f in kinds.items() if isinstance(each.type, kind)), None) for each in table.columns
            ]
            names = [column.name for column in table.columns]
            rows = [
                {
                    name: value if function is None or value is None else function(value)
                    for name, value, function in zip(names, row, read, strict=True)
                }
                for row in stored(path, ", ".join(f'"{name}"' for name in names), table.name, "1")
            ]
            if rows and table.name != "bench_schema":
                connection.execute(table.insert(), rows)
        for name in ("shards", "conflicts"):
            connection.exec_driver_sql(f"SELECT setval(pg_get_serial_sequence('{name}', 'id'), 100)")
    engine.dispose()


@pytest.mark.parametrize("schema", READABLE)
def test_the_store_of_an_older_schema_on_a_server_is_read_where_it_lies_and_upgraded(
    schema: str, server: Server, tmp_path: Path
) -> None:
    path, url = restore(f"schema_{schema}", tmp_path), server.database()
    moved(path, url, schema)
    known = Store(path, create=False)
    expected = {plan.digest: (known.outcomes(plan), known.shards(plan)) for plan in known.plans()}
    for found in (Store(url, create=False), None):
        if found is None:
            assert (upgrade(url).before, upgrade(url).before) == (schema, SCHEMA)
            found = Store(url)
        else:
            with pytest.raises(StoreError, match="bench upgrade"):
                found.add(plan_of(seed=9), result_of(plan_of(seed=9), 0))
        assert {plan.digest: (found.outcomes(plan), found.shards(plan)) for plan in found.plans()} == expected
        found.close()
    store = Store(url)
    assert store.add(plan_of(seed=9), result_of(plan_of(seed=9), 0)) is None
    (kept, *_) = known.plans()
    assert store.fill(kept, zip_shards(known, kept)).equal == len(known.shards(kept))
    store.close()
    server.drop(url)


def zip_shards(store: Store, plan: Plan) -> list[Whole]:
    """A plan's shards with their outcomes."""
    outcomes = iter(store.outcomes(plan))
    drawn = {shard.index: len(shard.indices) for shard in plan.shards()}
    return [(record, list(islice(outcomes, drawn[record.number]))) for record in store.shards(plan)]


def test_a_row_that_was_spoilt_spoils_its_own_plan_alone(tmp_path: Path) -> None:
    path = restore("schema_0004", tmp_path)
    with closing(sqlite3.connect(path)) as connection, connection:
        ((spoilt,),) = connection.execute("SELECT plan FROM shards WHERE id = 3")
        connection.execute("UPDATE outcomes SET clean = '[1' WHERE shard = 3 AND position = 0")
    for upgraded in (False, True):
        store = opened(path, upgraded)
        for plan in store.plans():
            if plan.digest == spoilt:
                with pytest.raises(StoreError, match="cannot be read"):
                    store.table(plan)
            else:
                assert len(store.table(plan)) == len(store.outcomes(plan)) > 0
        store.close()


def test_what_was_packed_can_be_rows_again(tmp_path: Path) -> None:
    from alembic import command
    from alembic.config import Config

    path = restore("schema_0004", tmp_path)
    before = stored(path, "*", "outcomes", "shard, position")
    upgrade(path)
    engine = Address.of(path).engine()
    with writing(engine).begin() as connection:
        config = Config()
        config.set_main_option("script_location", str(Path(migrations.__file__).parent))
        config.attributes["connection"] = connection
        command.downgrade(config, "0004")
    engine.dispose()
    assert stored(path, "*", "outcomes", "shard, position") == before


def test_an_upgrade_that_cannot_keep_a_copy_changes_nothing(tmp_path: Path) -> None:
    path = restore("schema_0002", tmp_path).rename(tmp_path / f"{'l' * 242}.db")
    before = dump(path)
    with pytest.raises(StoreError, match="could not be copied"):
        upgrade(path)
    assert dump(path) == before
    assert stored(path, "version_num", "bench_schema", "1") == [("0002",)]
    assert not list(tmp_path.glob(".*.partial"))


def test_what_is_not_there_is_not_upgraded(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no results database"):
        upgrade(tmp_path / "nothing.db")
    (tmp_path / "empty.db").touch()
    with pytest.raises(StoreError, match="nothing to upgrade"):
        upgrade(tmp_path / "empty.db")


def test_the_images_that_an_older_bench_kept_are_found(tmp_path: Path) -> None:
    store = Store(restore("schema_0002", tmp_path), create=False)
    for plan in store.plans():
        for record in store.shards(plan):
            assert store.artifacts.read(record.perturbed_sha256).shape == (2, 1, 8, 8)
