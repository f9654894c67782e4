from __future__ import annotations

import sqlite3
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from bench.domain.errors import StoreError, UsageError
from bench.domain.facts import Controls, Crafting, Facts
from bench.domain.outcome import Outcome, ShardResult
from bench.domain.plan import Plan, Spec
from bench.domain.threat import ThreatModel
from bench.store.rows.records import HERE
from bench.store.store import Store


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


def test_a_shard_that_is_stored_is_never_overwritten(store: Store) -> None:
    plan = plan_of()
    assert store.add(plan, result_of(plan, 0, label=1)) is None
    before = store.shards(plan)
    conflict = store.add(plan, result_of(plan, 0, label=2))
    assert conflict is not None
    assert [outcome.label for outcome in store.outcomes(plan)] == [1, 1, 1, 1]
    assert store.shards(plan) == before
    assert (conflict.plan, conflict.number, conflict.origin) == (plan.digest, 0, HERE)
    assert (conflict.samples, conflict.compared, conflict.environment) == (4, 4, {"device": "cpu"})
    assert (
        "4 of 4 samples of some-defense under some-attack on digits differ in a run of this store" in conflict.sentence
    )
    assert conflict.document()["sentence"] == conflict.sentence


def test_a_shard_that_came_out_the_same_again_is_no_conflict(store: Store) -> None:
    plan = plan_of()
    for seconds in (1.0, 2.0):
        assert store.add(plan, replace(result_of(plan, 0), seconds=seconds, environment={"device": "gpu"})) is None
    assert store.conflicts() == ()
    assert [shard.seconds for shard in store.shards(plan)] == [1.0]


def test_a_conflict_is_kept_once_however_often_it_is_found(store: Store) -> None:
    first, second = plan_of(), plan_of(seed=1)
    for plan in (first, second):
        for label in (1, 2, 2, 3, 2):
            store.add(plan, result_of(plan, 0, label=label))
    assert len(store.conflicts()) == 2
    assert [conflict.plan for conflict in store.conflicts(first)] == [first.digest]
    store.add(first, replace(result_of(first, 0, label=2), environment={"device": "another"}))
    assert len(store.conflicts(first)) == 2


def test_a_shard_that_is_invalid_only_once_is_a_conflict(store: Store) -> None:
    plan = plan_of()
    store.add(plan, replace(result_of(plan, 0), invalid="It lies."))
    store.add(plan, result_of(plan, 1))
    assert store.add(plan, replace(result_of(plan, 0), invalid="It lies, in other words.")) is None
    found = [store.add(plan, result_of(plan, 0)), store.add(plan, replace(result_of(plan, 1), invalid="It lies."))]
    sentences = [conflict.sentence for conflict in found if conflict is not None]
    assert "the verdict (invalid here: It lies)" in sentences[0]
    assert "the verdict (invalid there: It lies)" in sentences[1]
    assert [shard.invalid for shard in store.shards(plan)] == ["It lies.", None]
    assert {conflict.samples for conflict in store.conflicts()} == {0}


def test_only_shards_that_are_missing_are_filled_in_and_they_keep_their_time(store: Store, tmp_path: Path) -> None:
    plan, other = plan_of(), Store(tmp_path / "other.db")
    for number in (0, 1):
        other.add(plan, result_of(plan, number))
    store.add(plan, result_of(plan, 0))
    found = [(shard, other.outcomes(plan)[4 * shard.number :][:4]) for shard in other.shards(plan)]
    filled = store.fill(plan, found)
    assert (filled.copied, filled.equal, filled.conflicts) == (1, 1, ())
    assert store.shards(plan)[1] == other.shards(plan)[1]
    assert store.fill(plan, found).copied == 0


def test_nothing_is_filled_in_beside_a_shard_that_contradicts(store: Store, tmp_path: Path) -> None:
    plan, other = plan_of(), Store(tmp_path / "other.db")
    for number in (0, 1):
        other.add(plan, result_of(plan, number, label=1))
    store.add(plan, result_of(plan, 0, label=2))
    filled = store.fill(plan, [(shard, other.outcomes(plan)[4 * shard.number :][:4]) for shard in other.shards(plan)])
    assert (filled.copied, filled.equal, len(filled.conflicts)) == (0, 0, 1)
    assert [outcome.label for outcome in store.outcomes(plan)] == [2] * 4
    assert store.conflicts(plan) == filled.conflicts


def test_facts_and_what_a_sample_fell_to_come_back(store: Store) -> None:
    plan = plan_of(4)
    crafting = Crafting(8, 4, 3, {"own": 2, "stand-in": 1}, 2, 0.25, 1, Controls(4, 3, 2, 1))
    facts = Facts(True, False, True, False, 4, 2, None, {"seeds": "It forgets its seed."}, crafting)
    outcomes = tuple(replace(outcome, fell_to="fab-t") for outcome in result_of(plan, 0).outcomes)
    store.add(plan, replace(result_of(plan, 0), outcomes=outcomes, facts=facts))
    assert store.outcomes(plan) == outcomes
    assert store.table(plan).fell_to.tolist() == ["fab-t"] * 4
    (record,) = store.shards(plan)
    assert (record.facts, record.origin, record.claimed) == (facts, None, False)


def test_predictions_are_found_by_sample(store: Store) -> None:
    plan = plan_of()
    store.add(plan, result_of(plan, 1))
    assert store.predictions(plan) == dict.fromkeys(plan.shards()[1].indices, (1, 3))
    assert store.shard_numbers(plan) == {1}
    assert store.predictions(plan_of(seed=1)) == {}


def test_places_are_those_of_the_newest_run_and_no_part_of_the_plan(store: Store) -> None:
    plan = plan_of()
    here = {"defense": {"params": {"weights": "here.pt"}}, "dataset": {"folder": "here"}}
    there = {"defense": {"name": "there.py:There", "params": {"weights": ["there.pt"]}}}
    for number, places in ((0, here), (1, there), (1, {})):
        placed = plan.placed(places)
        store.add(placed, result_of(plan, number))
        (found,) = store.plans()
        assert (found, found.places) == (plan, placed.places)
        assert store.find(plan.digest[:9]).places == placed.places


def test_a_place_that_no_store_would_read_back_is_refused_where_it_is_said() -> None:
    for place in ({"floor": "3"}, {"folder": 3}, {"params": "k"}):
        with pytest.raises(ValueError, match="The place of some-defense is none"):
            plan_of().placed({"defense": place})


def test_a_plan_that_cannot_be_read_is_named(file_store: Store) -> None:
    for seed in range(2):
        file_store.add(plan_of(seed=seed), result_of(plan_of(), 0))
    file_store.close()
    with sqlite3.connect(file_store.location) as connection:
        connection.execute("UPDATE plans SET document = '{' WHERE digest = ?", (plan_of().digest,))
    assert file_store.plans() == [plan_of(seed=1)]
    ((digest, sentence),) = file_store.skipped.items()
    assert digest == plan_of().digest
    assert f"Plan {digest[:12]} of {file_store.location} is left out, for it cannot be read" in sentence
    assert f"`bench remove {digest[:12]} --db {file_store.location}`" in sentence
    with pytest.raises(StoreError, match="is left out"):
        file_store.find(digest[:9])
    assert set(file_store.digests()) == {plan_of().digest, plan_of(seed=1).digest}
    assert file_store.plan(plan_of(seed=1).digest) == plan_of(seed=1)


def test_a_stamp_is_another_one_whenever_a_shard_or_a_conflict_has_landed(store: Store) -> None:
    plan = plan_of()
    stamps = [store.stamp()]
    for number, label in ((0, 3), (1, 3), (1, 2)):
        store.add(plan, result_of(plan, number, label))
        stamps.append(store.stamp())
    assert len(set(stamps)) == 4
    found = [(stamp.plans, stamp.shards, stamp.conflicts) for stamp in stamps]
    assert found == [(0, 0, 0), (1, 1, 0), (1, 2, 0), (1, 2, 1)]
    assert store.stamp() == stamps[-1]


def test_a_shard_is_stored_whole_or_not_at_all(store: Store) -> None:
    plan = plan_of()
    broken = replace(result_of(plan, 0), outcomes=(*result_of(plan, 0).outcomes, Outcome(1, 1, (1,), (1,), None)))  # type: ignore[arg-type]
    with pytest.raises(StoreError):
        store.add(plan, broken)
    assert store.outcomes(plan) == ()
    assert len(store.pending(plan)) == 3


def test_a_plan_is_found_by_the_beginning_of_its_digest(store: Store) -> None:
    plans = [plan_of(seed=seed) for seed in range(20)]
    for plan in plans:
        store.add(plan, result_of(plan, 0))
    assert store.find(plans[3].digest[:20]) == plans[3]
    with pytest.raises(UsageError, match="give more"):
        store.find("")
    with pytest.raises(UsageError, match="bench list plans"):
        store.find("nothing")


def test_sqlite_waits_keeps_a_journal_and_holds_foreign_keys(file_store: Store) -> None:
    with file_store._engine.connect() as connection:
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

    from bench.store.database.schema import Table

    with store._engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": "bench_schema", "compare_type": True})
        differences = compare_metadata(context, Table.metadata)
    assert differences == []


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
