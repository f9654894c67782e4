from __future__ import annotations

import multiprocessing
import sqlite3
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from bench import Outcome, Plan, ShardResult, Spec, Store, StoreError, ThreatModel, UsageError


def plan_of(samples: int = 10, seed: int = 0) -> Plan:
    return Plan(
        defense=Spec("some-defense", {"k": 1}),
        attack=Spec("some-attack"),
        source=None,
        dataset=Spec("digits"),
        size=1024,
        images="0",
        threat=ThreatModel("linf", Fraction(8, 255)),
        knowledge="white-box",
        samples=samples,
        sampling="random",
        sample_seed=2024,
        shard_size=4,
        seed=seed,
        draws=2,
    )


def result_of(plan: Plan, number: int, label: int = 3) -> ShardResult:
    outcomes = tuple(Outcome(i, label, (3, 2), (1, 3), 0.03) for i in plan.shards()[number].indices)
    return ShardResult(number, outcomes, 80, 40, 0.5, 1 << 33, "ab" * 32, None, ("remark",), {"device": "cpu"})


def add_all(location: str, seed: int) -> None:
    plan, store = plan_of(40, seed), Store(location)
    for shard in plan.shards():
        store.add(plan, result_of(plan, shard.index))


def test_what_is_stored_comes_back_in_the_order_of_the_plan(store: Store) -> None:
    plan = plan_of()
    for number in (2, 0, 1):
        store.add(plan, result_of(plan, number))
    assert tuple(outcome.index for outcome in store.outcomes(plan)) == plan.indices
    assert store.outcomes(plan)[0] == Outcome(plan.indices[0], 3, (3, 2), (1, 3), 0.03)
    assert [shard.number for shard in store.shards(plan)] == [0, 1, 2]
    assert store.shards(plan)[0].remarks == ("remark",)
    assert store.shards(plan)[0].peak_memory == 1 << 33
    assert store.plans() == [plan]
    assert Store(store.location).plans()[0].digest == plan.digest


def test_unfinished_shards_are_pending_and_leave_no_row(store: Store) -> None:
    plan = plan_of()
    assert [shard.index for shard in store.pending(plan)] == [0, 1, 2]
    store.add(plan, result_of(plan, 1))
    assert [shard.index for shard in store.pending(plan)] == [0, 2]


def test_a_shard_that_runs_again_replaces_its_outcomes(store: Store) -> None:
    plan = plan_of()
    store.add(plan, result_of(plan, 0, label=1))
    store.add(plan, result_of(plan, 0, label=2))
    assert [outcome.label for outcome in store.outcomes(plan)] == [2, 2, 2, 2]


def test_only_shards_that_are_missing_are_filled_in_and_they_keep_their_time(store: Store, tmp_path: Path) -> None:
    plan, other = plan_of(), Store(tmp_path / "other.db")
    for number in (0, 1):
        other.add(plan, result_of(plan, number, label=1))
    store.add(plan, result_of(plan, 0, label=2))
    found = [(shard, other.outcomes(plan)[4 * shard.number :][:4]) for shard in other.shards(plan)]
    assert store.fill(plan, found) == 1
    assert [outcome.label for outcome in store.outcomes(plan)] == [2] * 4 + [1] * 4
    assert store.shards(plan)[1] == other.shards(plan)[1]
    assert store.fill(plan, found) == 0


def test_a_stamp_is_another_one_whenever_a_shard_has_landed(store: Store) -> None:
    plan = plan_of()
    stamps = [store.stamp()]
    for number in (0, 1, 1):
        store.add(plan, result_of(plan, number))
        stamps.append(store.stamp())
    assert len(set(stamps)) == 4
    assert [(stamp.plans, stamp.shards) for stamp in stamps] == [(0, 0), (1, 1), (1, 2), (1, 2)]
    assert store.stamp() == stamps[-1]


def test_a_shard_is_stored_whole_or_not_at_all(store: Store) -> None:
    plan = plan_of()
    broken = replace(result_of(plan, 0), outcomes=(*result_of(plan, 0).outcomes, Outcome(1, 1, (1,), (1,), None)))  # type: ignore[arg-type]
    with pytest.raises(StoreError):
        store.add(plan, broken)
    assert store.outcomes(plan) == ()
    assert len(store.pending(plan)) == 3


def test_eight_writers_at_once_lose_nothing(tmp_path: Path) -> None:
    location = str(tmp_path / "shared.db")
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=add_all, args=(location, seed)) for seed in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0] * 8
    store = Store(location)
    assert sum(len(store.outcomes(plan_of(40, seed))) for seed in range(8)) == 320


def test_a_plan_is_found_by_the_beginning_of_its_digest(store: Store) -> None:
    plans = [plan_of(seed=seed) for seed in range(20)]
    for plan in plans:
        store.add(plan, result_of(plan, 0))
    assert store.find(plans[3].digest[:20]) == plans[3]
    with pytest.raises(UsageError, match="give more"):
        store.find("")
    with pytest.raises(UsageError, match="bench list plans"):
        store.find("nothing")


def test_sqlite_waits_keeps_a_journal_and_holds_foreign_keys(store: Store) -> None:
    with store._engine.connect() as connection:
        settings = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("foreign_keys", "journal_mode", "busy_timeout")
        }
    assert settings == {"foreign_keys": 1, "journal_mode": "wal", "busy_timeout": 30_000}


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.db"
    path.write_text("my notes, more than sixteen bytes of them")
    with pytest.raises(StoreError, match="not a results database"):
        Store(path)
    assert path.read_text().startswith("my notes")


def test_a_database_of_another_program_or_another_schema_is_refused(tmp_path: Path) -> None:
    foreign = tmp_path / "foreign.db"
    with sqlite3.connect(foreign) as connection:
        connection.execute("CREATE TABLE plans (id INTEGER)")
    with pytest.raises(StoreError, match="another program"):
        Store(foreign)
    newer = tmp_path / "newer.db"
    Store(newer)
    with sqlite3.connect(newer) as connection:
        connection.execute("UPDATE bench_schema SET version_num = '9999'")
    with pytest.raises(StoreError, match="schema '9999'"):
        Store(newer)


@pytest.mark.parametrize(
    ("location", "hint"),
    [
        ("nowhere/results.db", "does not exist"),
        (".", "is a folder"),
        ("nosuch://host/name", "--db"),
    ],
)
def test_a_place_where_no_store_can_be_says_what_to_give(location: str, hint: str) -> None:
    with pytest.raises(StoreError, match=hint):
        Store(location)


def test_reading_does_not_make_a_store(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="bench evaluate"):
        Store(tmp_path / "results.db", create=False)
    assert not list(tmp_path.iterdir())


def test_the_migrations_make_the_schema_that_the_code_describes(store: Store) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    from bench.store.schema import Table

    with store._engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": "bench_schema", "compare_type": True})
        differences = compare_metadata(context, Table.metadata)
    assert differences == []


def test_a_database_of_an_older_schema_is_brought_up_to_date_and_keeps_what_it_holds(tmp_path: Path) -> None:
    script = (Path(__file__).parent / "databases" / "schema_0001.sql").read_text()
    with sqlite3.connect(tmp_path / "old.db") as connection:
        connection.executescript(script)
    store, plan = Store(tmp_path / "old.db"), plan_of(4)
    assert store.plans() == [plan]
    assert store.outcomes(plan) == tuple(Outcome(index, 3, (3,), (1,), 0.03) for index in plan.indices)
    store.add(plan, result_of(plan, 0))
    assert Store(tmp_path / "old.db").outcomes(plan)[0].clean == (3, 2)


def test_minimal_distances_and_iterations_come_back_even_where_they_are_infinite(store: Store) -> None:
    plan = plan_of(4)
    found = tuple(
        Outcome(index, 3, (3,), (3,), 0.0, None, minimal, broken_at)
        for index, minimal, broken_at in zip(
            plan.indices, (0.0, 0.25, float("inf"), None), (0, 7, -1, None), strict=True
        )
    )
    store.add(plan, replace(result_of(plan, 0), outcomes=found))
    assert store.outcomes(plan) == found
