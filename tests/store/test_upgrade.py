"""Stores of older schemas open with the numbers that they had."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from bench.domain.plan import FIRST_HARNESS
from bench.store.connect import OLDER
from bench.store.store import Store
from tests.store.honest import restore


def stored(path: Path, columns: str, table: str, order: str) -> list[tuple[Any, ...]]:
    """What a database holds, asked past bench."""
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(f"SELECT {columns} FROM {table} ORDER BY {order}").fetchall()


@pytest.mark.parametrize("schema", OLDER)
def test_a_store_of_an_older_schema_opens_with_the_same_numbers(schema: str, tmp_path: Path) -> None:
    path = restore(f"schema_{schema}", tmp_path)
    columns = "sample, label, clean, perturbed, distance, radius"
    columns += ", minimal, broken_at" if schema != "0001" else ", NULL, NULL"
    joined = "outcomes JOIN shards ON shards.id = outcomes.shard"
    outcomes = stored(path, f"plan, {columns}", joined, "plan, number, position")
    shards = stored(path, "plan, number, perturbed_sha256, invalid, forwards, seconds", "shards", "plan, number")
    documents = dict(stored(path, "digest, document", "plans", "digest"))

    store = Store(path)
    plans = {plan.digest: plan for plan in store.plans()}
    assert {digest: plan.document() for digest, plan in plans.items()} == {
        digest: json.loads(text) for digest, text in documents.items()
    }
    assert {plan.harness for plan in plans.values()} == {FIRST_HARNESS}
    found = [
        (
            *(digest, o.index, o.label, json.dumps(o.clean), json.dumps(o.perturbed)),
            *(o.distance, o.radius, o.minimal, o.broken_at),
        )
        for digest in sorted(plans)
        for o in store.outcomes(plans[digest])
    ]
    assert found == outcomes
    records = [(digest, record) for digest in sorted(plans) for record in store.shards(plans[digest])]
    assert [(digest, r.number, r.perturbed_sha256, r.invalid, r.forwards, r.seconds) for digest, r in records] == shards
    assert {(record.facts, record.origin, record.claimed) for _, record in records} == {(None, None, False)}
    assert {outcome.fell_to for plan in plans.values() for outcome in store.outcomes(plan)} == {None}
    assert store.conflicts() == ()
    assert all(store.pending(plan) == () for plan in plans.values())
    assert stored(path, "version_num", "bench_schema", "1") == [("0003",)]


@pytest.mark.parametrize("schema", OLDER)
def test_an_upgrade_happens_once_and_keeps_what_refers_to_what(schema: str, tmp_path: Path) -> None:
    path = restore(f"schema_{schema}", tmp_path)
    first = Store(path)
    before = [(plan, first.outcomes(plan), first.shards(plan)) for plan in first.plans()]
    first.close()
    again = Store(path)
    assert [(plan, again.outcomes(plan), again.shards(plan)) for plan in again.plans()] == before
    assert stored(path, "count(*)", "pragma_foreign_key_check", "1") == [(0,)]


def test_the_images_that_an_older_bench_kept_are_found(tmp_path: Path) -> None:
    store = Store(restore("schema_0002", tmp_path))
    for plan in store.plans():
        for record in store.shards(plan):
            assert store.artifacts.read(record.perturbed_sha256).shape == (2, 1, 8, 8)
