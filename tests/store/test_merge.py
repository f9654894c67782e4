from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.domain.errors import StoreError, UsageError
from bench.domain.outcome import ShardResult
from bench.store.lend import lend
from bench.store.merge import Merged, merge
from bench.store.store import Store
from tests.store.test_store import plan_of, result_of

ELSEWHERE = {"device": "another machine", "torch": "2.9"}


@pytest.fixture
def other(tmp_path: Path) -> Store:
    folder = tmp_path / "theirs"
    folder.mkdir()
    return Store(folder / "other.db")


def merged(store: Store, other: Store) -> Merged:
    other.close()
    with lend(other.location) as lent:
        return merge(store, lent)


def with_images(store: Store, result: ShardResult) -> ShardResult:
    images = np.full((len(result.outcomes), 1, 2, 2), result.index / 10, dtype=np.float32)
    return replace(result, perturbed_sha256=store.artifacts.write(images))


def test_plans_that_are_missing_are_copied_with_everything_that_is_known_of_them(store: Store, other: Store) -> None:
    plan = plan_of()
    for number in (0, 1, 2):
        other.add(plan, with_images(other, result_of(plan, number)))
    found = merged(store, other)
    assert (found.plans, found.new_plans, found.copied, found.equal, found.images, found.missing) == (1, 1, 3, 0, 3, 0)
    assert found.agrees
    assert store.outcomes(plan) == other.outcomes(plan)
    assert store.shards(plan) == other.shards(plan)
    for shard in store.shards(plan):
        assert np.array_equal(
            store.artifacts.read(shard.perturbed_sha256), other.artifacts.read(shard.perturbed_sha256)
        )


def test_merging_again_does_nothing_more(store: Store, other: Store) -> None:
    for seed in range(3):
        other.add(plan_of(seed=seed), with_images(other, result_of(plan_of(seed=seed), 0)))
    first = merged(store, other)
    before = [(store.outcomes(plan), store.shards(plan)) for plan in store.plans()]
    second = merged(store, other)
    assert (first.copied, first.equal) == (3, 0)
    assert (second.new_plans, second.copied, second.equal, second.images) == (0, 0, 3, 0)
    assert [(store.outcomes(plan), store.shards(plan)) for plan in store.plans()] == before


def test_shards_that_one_side_lacks_are_filled_in_and_those_of_both_compared(store: Store, other: Store) -> None:
    plan = plan_of()
    store.add(plan, result_of(plan, 0))
    for number in (0, 2):
        other.add(plan, result_of(plan, number))
    found = merged(store, other)
    assert (found.new_plans, found.copied, found.equal, found.differences) == (0, 1, 1, ())
    assert [shard.number for shard in store.shards(plan)] == [0, 2]


def test_shards_that_differ_are_told_with_where_they_were_computed_and_never_overwritten(
    store: Store, other: Store
) -> None:
    plan = plan_of()
    for number in (0, 1, 2):
        store.add(plan, result_of(plan, number))
        theirs = result_of(plan, number)
        if number == 1:
            outcomes = (replace(theirs.outcomes[0], perturbed=(3, 3)), *theirs.outcomes[1:])
            theirs = replace(theirs, outcomes=outcomes, environment=ELSEWHERE)
        other.add(plan, theirs)
    before = store.outcomes(plan)
    found = merged(store, other)
    assert store.outcomes(plan) == before
    assert not found.agrees
    assert found.equal == 2
    (difference,) = found.differences
    assert (difference.shards, difference.samples, difference.compared) == ((1,), 1, 10)
    sentence = str(difference)
    for part in (
        "1 of 10 samples of some-defense",
        "shard 1)",
        "another machine with torch 2.9",
        "cpu",
        other.location,
    ):
        assert part in sentence


@pytest.mark.parametrize(
    ("change", "differs"),
    [
        ({"distance": 0.03 + 1e-10}, False),
        ({"distance": 0.03 + 1e-8}, True),
        ({"radius": 0.5}, True),
        ({"minimal": float("inf")}, True),
        ({"label": 2}, True),
        ({"clean": (3, 3)}, True),
        ({"broken_at": 7}, False),
    ],
)
def test_what_counts_as_a_difference(store: Store, other: Store, change: dict[str, object], differs: bool) -> None:
    plan, result = plan_of(4), result_of(plan_of(4), 0)
    store.add(plan, result)
    changed = replace(result.outcomes[2], **change)  # type: ignore[arg-type]
    other.add(plan, replace(result, outcomes=(*result.outcomes[:2], changed, *result.outcomes[3:])))
    assert bool(merged(store, other).differences) is differs


def test_infinite_and_unknown_distances_are_equal_to_themselves(store: Store, other: Store) -> None:
    plan, result = plan_of(4), result_of(plan_of(4), 0)
    outcomes = tuple(replace(outcome, minimal=float("inf")) for outcome in result.outcomes)
    for place in (store, other):
        place.add(plan, replace(result, outcomes=outcomes))
    assert merged(store, other).agrees


def test_the_other_store_and_its_folder_are_left_as_they_were(store: Store, other: Store) -> None:
    plan = plan_of()
    other.add(plan, result_of(plan, 0))
    other.close()
    path = Path(other.location)
    before = {found: found.read_bytes() for found in path.parent.iterdir()}
    merged(store, other)
    assert {found: found.read_bytes() for found in path.parent.iterdir()} == before == {path: path.read_bytes()}


def test_a_store_that_is_being_written_is_merged_as_far_as_it_is(store: Store, other: Store) -> None:
    plan = plan_of()
    other.add(plan, result_of(plan, 0))
    assert Path(f"{other.location}-wal").exists()  # it is open, and what it holds is in its journal
    with lend(other.location) as lent:
        other.add(plan, result_of(plan, 1))
        assert merge(store, lent).copied == 1
    assert merged(store, other).copied == 1


def test_a_store_of_an_older_schema_is_read_and_stays_as_it_is(store: Store, tmp_path: Path) -> None:
    old = tmp_path / "old.db"
    with sqlite3.connect(old) as connection:
        connection.executescript((Path(__file__).parent / "databases" / "schema_0001.sql").read_text())
    connection.close()
    content = old.read_bytes()
    with lend(str(old)) as lent:
        found = merge(store, lent)
    assert old.read_bytes() == content
    assert found.new_plans == found.copied == 1


def test_images_that_are_missing_or_damaged_are_counted_and_stop_nothing(store: Store, other: Store) -> None:
    plan = plan_of()
    results = [with_images(other, result_of(plan, number)) for number in (0, 1, 2)]
    for result in results:
        other.add(plan, result)
    other.artifacts.path(results[0].perturbed_sha256).unlink()
    other.artifacts.path(results[1].perturbed_sha256).write_bytes(b"not what it was")
    found = merged(store, other)
    assert (found.copied, found.images, found.missing) == (3, 1, 2)
    assert store.artifacts.holds(results[2].perturbed_sha256)
    assert not store.artifacts.path(results[1].perturbed_sha256).exists()


def test_images_of_shards_that_differ_do_not_come_along(store: Store, other: Store) -> None:
    plan = plan_of(4)
    store.add(plan, result_of(plan, 0, label=1))
    other.add(plan, with_images(other, result_of(plan, 0, label=2)))
    assert merged(store, other).images == 0


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("UPDATE plans SET document = json_set(document, '$.seed', 7)", "its digest is not that"),
        ("UPDATE plans SET document = json_remove(document, '$.threat')", "cannot be read"),
        ("UPDATE plans SET document = '[1]'", "cannot be read"),
        ("UPDATE outcomes SET sample = sample + 1", "its samples are not those"),
        ("DELETE FROM outcomes WHERE position = 3", "its samples are not those"),
        ("UPDATE shards SET number = number + 9", "its samples are not those"),
        ("UPDATE outcomes SET clean = '[1]' WHERE position = 0", "cannot be read"),
        ("UPDATE outcomes SET clean = '[\"a\", 2]'", "cannot be read"),
        ("UPDATE outcomes SET clean = '[1'", "cannot be read"),
    ],
)
def test_a_plan_that_is_not_what_it_says_is_left_out_and_the_others_are_taken(
    store: Store, other: Store, statement: str, reason: str
) -> None:
    other.add(plan_of(), result_of(plan_of(), 0))
    other.close()
    with sqlite3.connect(other.location) as connection:
        connection.execute(statement)
    connection.close()
    other.add(plan_of(seed=1), result_of(plan_of(seed=1), 0))
    found = merged(store, other)
    assert store.plans() == [plan_of(seed=1)]
    assert len(found.refused) == 1
    assert reason in found.refused[0]
    assert not found.agrees


def test_a_plan_with_other_draws_than_here_is_left_out(store: Store, other: Store) -> None:
    plan, result = plan_of(4), result_of(plan_of(4), 0)
    store.add(plan, result)
    once = tuple(replace(outcome, clean=(3,), perturbed=(3,)) for outcome in result.outcomes)
    other.add(plan, replace(result, outcomes=once))
    assert "1 draws each, those here 2" in merged(store, other).refused[0]


def test_what_cannot_be_merged_says_why(store: Store, tmp_path: Path) -> None:
    store.add(plan_of(), result_of(plan_of(), 0))
    with lend(store.location) as lent, pytest.raises(UsageError, match="the store that is merged into"):
        merge(store, lent)
    Store(tmp_path / "empty.db").close()
    with lend(f"sqlite:///{tmp_path / 'empty.db'}") as lent, pytest.raises(UsageError, match="no results"):
        merge(store, lent)
    (tmp_path / "notes.db").write_text("my notes, more than sixteen bytes of them")
    for location, error, reason in (
        (tmp_path / "nothing.db", UsageError, "no results database"),
        (tmp_path, UsageError, "no results database"),
        (tmp_path / "notes.db", StoreError, "not a database"),
        ("postgresql://host/name", UsageError, "SQLite files"),
    ):
        with pytest.raises(error, match=reason), lend(str(location)):
            pass


def test_a_refusal_names_the_file_that_was_given(tmp_path: Path) -> None:
    newer = tmp_path / "newer.db"
    Store(newer).close()
    with sqlite3.connect(newer) as connection:
        connection.execute("UPDATE bench_schema SET version_num = '9999'")
    connection.close()
    with pytest.raises(StoreError, match=f"{newer} has schema '9999'"), lend(str(newer)):
        pass
