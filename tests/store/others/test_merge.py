from __future__ import annotations

import re
import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.domain.errors import StoreError, UsageError
from bench.domain.outcome import ShardResult
from bench.domain.plan import Plan
from bench.domain.threat import ThreatModel
from bench.store.images.artifacts import Artifacts
from bench.store.others.lend import lend
from bench.store.others.merge import Examined, merge
from bench.store.others.merged import Merged
from bench.store.rows.records import Whole
from bench.store.store import Store
from tests.store.honest import edit, restore
from tests.store.test_store import plan_of, result_of

ELSEWHERE = {"device": "another machine", "torch": "2.9"}


def believe(plan: Plan, shards: Sequence[Whole], other: Store, images: Sequence[Artifacts]) -> Examined:
    """Finds nothing wrong with anything."""
    return Examined()


def merged(store: Store, other: Store) -> Merged:
    other.close()
    with lend(other.location) as lent:
        return merge(store, lent, believe)


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
    assert store.shards(plan) == tuple(replace(shard, origin="other.db") for shard in other.shards(plan))
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


def test_a_plan_that_is_disputed_is_told_with_where_it_was_computed_and_never_mixed(store: Store, other: Store) -> None:
    plan = plan_of()
    for number in (0, 1):
        store.add(plan, result_of(plan, number))
    for number in (0, 1, 2):
        theirs = result_of(plan, number)
        if number == 1:
            outcomes = (replace(theirs.outcomes[0], perturbed=(3, 3)), *theirs.outcomes[1:])
            theirs = replace(theirs, outcomes=outcomes, environment=ELSEWHERE)
        other.add(plan, with_images(other, theirs))
    before = store.outcomes(plan), store.shards(plan)
    found = merged(store, other)
    assert (store.outcomes(plan), store.shards(plan)) == before
    assert not found.agrees
    assert (found.copied, found.equal, found.images, found.missing) == (0, 1, 0, 0)
    (difference,) = found.differences
    (conflict,) = difference.conflicts
    assert (difference.shards, conflict.samples, conflict.compared) == ((1,), 1, 4)
    assert (conflict.origin, conflict.environment) == ("other.db", ELSEWHERE)
    for part in ("1 of 4 samples of some-defense", "shard 1)", "another machine with torch 2.9", "cpu", "other.db"):
        assert part in str(difference)
    assert difference.document()["conflicts"] == [conflict.document()]
    assert store.conflicts(plan) == (conflict,)
    merged(store, other)
    assert len(store.conflicts()) == 1


def test_a_disputed_plan_lists_all_its_shards(store: Store, other: Store) -> None:
    plan = plan_of()
    for number in (0, 1, 2):
        store.add(plan, result_of(plan, number))
        other.add(plan, result_of(plan, number, label=number or 3))
    (difference,) = merged(store, other).differences
    assert difference.shards == (1, 2)
    assert "So do shards 2." in str(difference)
    assert [conflict.number for conflict in store.conflicts()] == [1, 2]


def test_a_result_that_is_invalid_only_elsewhere_is_a_conflict_too(store: Store, other: Store) -> None:
    plan = plan_of(4)
    store.add(plan, result_of(plan, 0))
    other.add(plan, replace(result_of(plan, 0), invalid="Images lie outside."))
    (difference,) = merged(store, other).differences
    assert "the verdict (invalid there: Images lie outside)" in str(difference)
    assert [shard.invalid for shard in store.shards(plan)] == [None]
    assert [conflict.samples for conflict in store.conflicts(plan)] == [0]


def test_a_path_of_somebodys_machine_is_kept_nowhere(file_store: Store, other: Store) -> None:
    first, second = plan_of(4), plan_of(4, seed=1)
    file_store.add(first, result_of(first, 0, label=1))
    for plan in (first, second):
        other.add(plan, result_of(plan, 0, label=2))
    merged(file_store, other)
    file_store.close()
    assert str(Path(other.location).parent).encode() not in Path(file_store.location).read_bytes()
    assert [shard.origin for shard in file_store.shards(second)] == ["other.db"]


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
        ({"fell_to": "fab-t"}, False),
    ],
)
def test_what_counts_as_a_difference(file_store: Store, other: Store, change: dict[str, object], differs: bool) -> None:
    plan, result = plan_of(4), result_of(plan_of(4), 0)
    file_store.add(plan, result)
    changed = replace(result.outcomes[2], **change)  # type: ignore[arg-type]
    other.add(plan, replace(result, outcomes=(*result.outcomes[:2], changed, *result.outcomes[3:])))
    assert bool(merged(file_store, other).differences) is differs


@pytest.mark.parametrize(("name", "first", "second"), [("broken_at", 3, 4), ("fell_to", "square", "fab-t")])
def test_what_both_have_recorded_is_compared(
    file_store: Store, other: Store, name: str, first: object, second: object
) -> None:
    plan, result = plan_of(4), result_of(plan_of(4), 0)
    for place, value in ((file_store, first), (other, second)):
        outcomes = tuple(replace(outcome, **{name: value}) for outcome in result.outcomes)  # type: ignore[arg-type]
        place.add(plan, replace(result, outcomes=outcomes))
    assert len(merged(file_store, other).differences) == 1


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
        assert merge(store, lent, believe).copied == 1
    assert merged(store, other).copied == 1


@pytest.mark.parametrize(("schema", "plans", "shards"), [("0001", 1, 1), ("0002", 6, 12), ("0003", 2, 4)])
def test_a_store_of_an_older_schema_is_read_and_stays_as_it_is(
    store: Store, tmp_path: Path, schema: str, plans: int, shards: int
) -> None:
    old = restore(f"schema_{schema}", tmp_path)
    content = old.read_bytes()
    with lend(str(old)) as lent:
        found = merge(store, lent, believe)
    assert old.read_bytes() == content
    assert (found.new_plans, found.copied) == (plans, shards)


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
        ("UPDATE outcomes SET clean = '[1]' WHERE position = 0", "not all the same number"),
        ("UPDATE outcomes SET clean = '[\"a\", 2]'", "no classes"),
        ("UPDATE outcomes SET clean = '[1'", "no classes"),
        ("UPDATE outcomes SET clean = '[]'", "no classes"),
        ("UPDATE outcomes SET clean = '[1, 2, 3]'", "not all the same number"),
        ("UPDATE outcomes SET perturbed = '{\"a\": 1}'", "no classes"),
        ("UPDATE outcomes SET perturbed = '[true, false]'", "no classes"),
        ("UPDATE outcomes SET label = 3.5", "no class"),
        ("UPDATE outcomes SET distance = 'far'", "cannot be read|distances that are none"),
        ("UPDATE outcomes SET distance = -1", "distances that are none"),
        ("UPDATE outcomes SET radius = 9e999", "distances that are none"),
        ("UPDATE outcomes SET fell_to = x'ff'", "cannot be read|no part"),
        ("UPDATE plans SET document = '{'", "cannot be read"),
        ("UPDATE plans SET document = 'null'", "cannot be read"),
        ("UPDATE plans SET document = x'ff'", "cannot be read"),
        ("DELETE FROM plans", "cannot be read"),
        ("UPDATE plans SET document = json_set(document, '$.defense', 'x')", "cannot be read"),
        ("UPDATE plans SET document = json_set(document, '$.size', 1e300)", "cannot be read|its digest"),
        ("UPDATE plans SET document = json_set(document, '$.threat.epsilon', '1/0')", "cannot be read"),
        ("UPDATE plans SET document = json_set(document, '$.shard_size', 0)", "its digest"),
        ("UPDATE shards SET remarks = 'null'", "cannot be read"),
        ("UPDATE shards SET remarks = '[1]'", "remarks"),
        ("UPDATE shards SET finished = 'yesterday'", "cannot be read"),
        ("UPDATE shards SET facts = '{'", "cannot be read"),
        ("UPDATE shards SET facts = '{\"random\": 1}'", "cannot be read"),
        ("UPDATE shards SET perturbed_sha256 = 'images'", "no hash"),
        ("UPDATE shards SET invalid = ''", "no sentence"),
        ("UPDATE shards SET forwards = -1", "costs"),
        ("UPDATE shards SET seconds = 9e999", "costs"),
        ("UPDATE environments SET document = '{'", "cannot be read"),
        ("UPDATE environments SET document = '[1]'", "environment"),
    ],
)
def test_a_plan_that_is_not_what_it_says_is_left_out_and_the_others_are_taken(
    file_store: Store, other: Store, statement: str, reason: str
) -> None:
    other.add(plan_of(), result_of(plan_of(), 0))
    edit(other, statement)
    other.add(plan_of(seed=1), replace(result_of(plan_of(seed=1), 0), environment=ELSEWHERE))
    found = merged(file_store, other)
    assert file_store.plans() == [plan_of(seed=1)]
    assert len(found.refused) == 1
    assert re.search(reason, str(found.refused[0]))
    assert not found.agrees


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"draws": 0}, "one of its numbers is none"),
        ({"seed": 1.5}, "one of its numbers is none"),
        ({"samples": True}, "one of its numbers is none"),
        ({"knowledge": None}, "one of its words is none"),
        ({"sampling": "best"}, "one of its words is none"),
        ({"harness": "9"}, "judged in another way"),
        ({"threat": ThreatModel("none", Fraction(0))}, "judges untouched images and names an attack"),
    ],
)
def test_a_plan_that_no_bench_makes_is_left_out_although_its_digest_is_right(
    file_store: Store, other: Store, changes: dict[str, Any], reason: str
) -> None:
    plan = replace(plan_of(4), **changes)
    other.add(plan, replace(result_of(plan_of(4), 0)))
    assert reason in str(merged(file_store, other).refused[0])
    assert file_store.plans() == []


def test_a_plan_with_other_draws_than_here_is_disputed(store: Store, other: Store) -> None:
    plan, result = plan_of(4), result_of(plan_of(4), 0)
    store.add(plan, result)
    once = tuple(replace(outcome, clean=(3,), perturbed=(3,)) for outcome in result.outcomes)
    other.add(plan, replace(result, outcomes=once))
    (difference,) = merged(store, other).differences
    assert difference.conflicts[0].samples == 4


def test_shards_with_other_draws_than_those_here_never_stand_beside_them(store: Store, other: Store) -> None:
    plan, result = plan_of(), result_of(plan_of(), 1)
    store.add(plan, result_of(plan, 0))
    once = tuple(replace(outcome, clean=(3,), perturbed=(3,)) for outcome in result.outcomes)
    other.add(plan, replace(result, outcomes=once))
    assert "another number of predictions than those here" in str(merged(store, other).refused[0])
    assert len(store.table(plan)) == 4


def test_what_an_examiner_finds_wrong_is_left_out_and_what_it_cannot_check_only_taken_as_a_claim(
    store: Store, other: Store
) -> None:
    wrong, doubtful = plan_of(), plan_of(seed=1)
    for plan in (wrong, doubtful):
        for number in (0, 1, 2):
            other.add(plan, with_images(other, result_of(plan, number)))

    def doubt(plan: Plan, shards: Sequence[Whole], other: Store, images: Sequence[Artifacts]) -> Examined:
        reason = "nobody was there"
        return Examined("it lies") if plan == wrong else Examined(None, {0: reason, 2: reason})

    other.close()
    with lend(other.location) as lent:
        found = merge(store, lent, doubt)
        assert [(refusal.shards, refusal.claimable) for refusal in found.refused] == [(None, False), ((0, 2), True)]
        assert "was left out: it lies." in str(found.refused[0])
        assert "Shards 0, 2 of plan" in str(found.refused[1])
        assert "cannot be checked: nobody was there. --claimed takes them" in str(found.refused[1])
        assert (found.new_plans, found.copied, found.claimed) == (1, 1, 0)
        found = merge(store, lent, doubt, claimed=True)
        assert [str(refusal.plan) for refusal in found.refused] == [wrong.digest]
        assert (found.new_plans, found.copied, found.claimed, found.equal) == (0, 2, 2, 1)
    assert [shard.claimed for shard in store.shards(doubtful)] == [True, False, True]


def test_what_cannot_be_merged_says_why(file_store: Store, tmp_path: Path) -> None:
    file_store.add(plan_of(), result_of(plan_of(), 0))
    with lend(file_store.location) as lent, pytest.raises(UsageError, match="the store that is merged into"):
        merge(file_store, lent, believe)
    Store(tmp_path / "empty.db").close()
    with lend(f"sqlite:///{tmp_path / 'empty.db'}") as lent, pytest.raises(UsageError, match="no results"):
        merge(file_store, lent, believe)
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
