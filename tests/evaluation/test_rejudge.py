"""What `bench merge` judges again: every store here is honest but for one thing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from bench.domain.facts import Crafting
from bench.domain.outcome import Outcome
from bench.domain.plan import Plan, Spec
from bench.domain.threat import ThreatModel
from bench.evaluation.rejudge import Rejudge
from bench.store.images.artifacts import Artifacts
from bench.store.others.lend import lend
from bench.store.others.merge import merge
from bench.store.others.merged import Merged
from bench.store.store import Store
from tests.store.honest import DIGITS, FACTS, certified_plan, edit, fill, honest_plan, honest_result, restore

WHITE = honest_plan()
TRANSFER = honest_plan(defense=Spec("vit"), source=WHITE.defense)


def merged(store: Store, other: Store, *, claimed: bool = False) -> Merged:
    other.close()
    with lend(other.location) as lent:
        return merge(store, lent, Rejudge(), claimed=claimed)


def refusals(store: Store, other: Store, *, claimed: bool = False) -> str:
    """Why nothing at all was taken."""
    found = merged(store, other, claimed=claimed)
    assert (found.copied, found.equal, found.images, store.plans()) == (0, 0, 0, [])
    assert not found.agrees
    return " ".join(map(str, found.refused))


def images_of(store: Store, plan: Plan, number: int = 0) -> Path:
    return store.artifacts.path(store.shards(plan)[number].perturbed_sha256)


@pytest.mark.parametrize(
    "plans",
    [
        (WHITE,),
        (WHITE, TRANSFER, WHITE.untouched(), TRANSFER.untouched()),
        (certified_plan(), certified_plan().untouched()),
        (honest_plan("cw-l2"),),
    ],
)
def test_an_honest_store_is_taken_whole_and_says_where_it_came_from(
    store: Store, other: Store, plans: tuple[Plan, ...]
) -> None:
    fill(other, *plans, **({"minimal": True} if plans[0].attack.name == "cw-l2" else {}))
    found = merged(store, other)
    assert found.agrees
    assert (found.copied, found.claimed, found.missing) == (2 * len(plans), 0, 0)
    for plan in plans:
        assert store.outcomes(plan) == other.outcomes(plan)
        assert {(shard.origin, shard.claimed) for shard in store.shards(plan)} == {("other.db", False)}
        assert [replace(shard, origin=None) for shard in store.shards(plan)] == list(other.shards(plan))
    assert merged(store, other).equal == 2 * len(plans)


def test_the_store_of_an_older_bench_is_judged_by_the_files_that_it_kept(store: Store, tmp_path: Path) -> None:
    old = Store(restore("schema_0002", tmp_path), create=False)
    found = merged(store, old)
    assert found.agrees
    assert (found.plans, found.copied, found.claimed, found.images) == (6, 12, 0, 10)
    assert all(store.outcomes(plan) == old.outcomes(plan) for plan in old.plans())


@pytest.mark.parametrize(
    ("edited", "reason"),
    [
        ("UPDATE outcomes SET distance = 0", "distances are not those of its images"),
        ("UPDATE outcomes SET minimal = minimal / 2 WHERE minimal IS NOT NULL", "smallest distances are not those"),
        ("UPDATE outcomes SET radius = 0.001 WHERE radius IS NOT NULL", "a radius that its prediction does not show"),
        ("UPDATE outcomes SET label = 5", "labels are not those of digits"),
    ],
)
def test_the_store_of_an_older_bench_that_was_edited_is_refused(
    store: Store, tmp_path: Path, edited: str, reason: str
) -> None:
    old = Store(restore("schema_0002", tmp_path), create=False)
    edit(old, edited)
    assert reason in " ".join(map(str, merged(store, old, claimed=True).refused))


@pytest.mark.parametrize(
    ("plan", "statement", "reason"),
    [
        (
            WHITE,
            "UPDATE outcomes SET label = (label + 1) % 10 WHERE position = 1",
            "1 of 4 labels are not those of digits",
        ),
        (WHITE, "UPDATE outcomes SET perturbed = '[10]' WHERE position = 0", "predictions beyond the 10 classes"),
        (WHITE, "UPDATE outcomes SET clean = '[10]' WHERE position = 0", "predictions beyond the 10 classes"),
        (WHITE, "UPDATE outcomes SET perturbed = '[-2]' WHERE position = 0", "predictions that are no classes"),
        (WHITE, "UPDATE outcomes SET perturbed = '[1.5]' WHERE position = 0", "predictions that are no classes"),
        (WHITE, "UPDATE outcomes SET perturbed = '[1, 1]'", "not all the same number of predictions, 1 at most"),
        (WHITE, "UPDATE outcomes SET clean = '[1, 1]' WHERE position = 0", "not all the same number of predictions"),
        (WHITE, "UPDATE outcomes SET perturbed = '[]' WHERE position = 0", "predictions that are no classes"),
        (WHITE, "UPDATE outcomes SET distance = 0 WHERE position = 2", "1 of 4 distances are not those of its images"),
        (WHITE, "UPDATE outcomes SET distance = distance + 1e-7", "4 of 4 distances are not those of its images"),
        (WHITE, "UPDATE outcomes SET distance = -distance", "distances that are none"),
        (WHITE, "UPDATE outcomes SET minimal = 0.01", "smallest distances are not those"),
        (WHITE, "UPDATE outcomes SET radius = 0.5", "certified radii without a proof"),
        (WHITE, "UPDATE outcomes SET broken_at = -7", "no iteration"),
        (WHITE, "UPDATE shards SET facts = NULL", "says nothing of what was observed"),
        (WHITE, "UPDATE shards SET facts = '[]'", "cannot be read"),
        (WHITE, "UPDATE shards SET facts = json_set(facts, '$.crafting', NULL)", "its crafting is missing"),
        (WHITE, "UPDATE shards SET facts = json_set(facts, '$.crafting.unmoved', 4)", "0 of its images are the clean"),
        (WHITE, "UPDATE shards SET forwards = 1", "passes are not those that were observed"),
        (WHITE, "UPDATE shards SET perturbed_sha256 = '../../secret'", "no hash"),
        (TRANSFER, "UPDATE shards SET forwards = 1", "passes are not those that were observed"),
        (WHITE.untouched(), "UPDATE outcomes SET perturbed = '[1]', clean = '[2]'", "left as it is"),
        (WHITE.untouched(), "UPDATE outcomes SET distance = 1", "distances are not those"),
        (WHITE.untouched(), f"UPDATE shards SET perturbed_sha256 = '{'ab' * 32}'", "not the data set's own"),
        (certified_plan(), "UPDATE outcomes SET radius = 9", "a radius that its prediction does not show"),
        (certified_plan(), "UPDATE outcomes SET perturbed = json_array(label)", "a radius that its prediction"),
        (certified_plan(), "UPDATE outcomes SET radius = NULL", "a proof without them"),
        (certified_plan(), f"UPDATE shards SET perturbed_sha256 = '{'ab' * 32}'", "not the data set's own"),
    ],
)
def test_a_store_that_was_edited_is_refused_even_as_a_claim(
    store: Store, other: Store, plan: Plan, statement: str, reason: str
) -> None:
    fill(other, plan)
    edit(other, statement)
    assert reason in refusals(store, other, claimed=True)


def test_clean_predictions_are_those_of_the_untouched_images(store: Store, other: Store) -> None:
    fill(other, WHITE, WHITE.untouched())
    edit(
        other, f"UPDATE outcomes SET clean = '[1]' WHERE shard IN (SELECT id FROM shards WHERE plan = '{WHITE.digest}')"
    )
    found = merged(store, other)
    assert "clean predictions are not those of plan" in str(found.refused[0])
    assert store.plans() == [WHITE.untouched()]


def test_an_invalid_result_that_is_said_to_be_valid_is_refused_and_one_that_owns_up_stays_invalid(
    store: Store, other: Store
) -> None:
    for shard in WHITE.shards():
        result = honest_result(WHITE, shard.index, other, epsilon=0.3, invalid="4 of 4 images lie outside.")
        other.add(WHITE, result)
    assert merged(store, other).agrees
    assert {shard.invalid for shard in store.shards(WHITE)} == {"4 of 4 images lie outside."}
    fresh = Store(Path(store.location).with_name("fresh.db"))
    edit(other, "UPDATE shards SET invalid = NULL")
    assert "it is said to be valid, but 4 of 4 images that pgd-linf proposed lie outside" in refusals(fresh, other)
    assert "largest distance is 0.3" in refusals(fresh, other, claimed=True)


def test_what_replay_found_invalid_stays_invalid_though_its_images_are_admissible(store: Store, other: Store) -> None:
    fill(other, WHITE, invalid="resnet answers otherwise when it is asked again.")
    assert merged(store, other).agrees
    assert {shard.invalid for shard in store.shards(WHITE)} == {"resnet answers otherwise when it is asked again."}


def test_images_that_are_absent_are_refused_unless_they_are_claimed(store: Store, other: Store) -> None:
    fill(other, WHITE)
    images_of(other, WHITE, 1).unlink()
    found = merged(store, other)
    assert (found.copied, found.claimed, found.images, found.missing) == (1, 0, 1, 0)
    (refusal,) = found.refused
    assert (refusal.plan, refusal.shards, refusal.claimable) == (WHITE.digest, (1,), True)
    assert "file of crafted images is missing" in str(refusal)
    assert "--claimed takes it" in str(refusal)
    found = merged(store, other, claimed=True)
    assert (found.copied, found.claimed, found.equal, found.missing, found.agrees) == (1, 1, 1, 1, True)
    assert [shard.claimed for shard in store.shards(WHITE)] == [False, True]


def test_a_claim_is_none_any_more_once_it_was_checked(store: Store, other: Store) -> None:
    fill(other, WHITE)
    path = images_of(other, WHITE)
    content = path.read_bytes()
    path.unlink()
    merged(store, other, claimed=True)
    assert [shard.claimed for shard in store.shards(WHITE)] == [True, False]
    path.write_bytes(content)
    found = merged(store, other)
    assert (found.copied, found.equal, found.images) == (0, 2, 1)
    assert [shard.claimed for shard in store.shards(WHITE)] == [False, False]


def test_images_that_are_here_need_not_be_there(store: Store, other: Store) -> None:
    fill(other, WHITE)
    path = images_of(other, WHITE)
    store.artifacts.adopt(path.stem, other.artifacts)
    path.unlink()
    assert merged(store, other).agrees


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:-1] + bytes([content[-1] ^ 1]),
        lambda content: content[: len(content) // 2],
        lambda content: b"",
    ],
    ids=["edited", "truncated", "emptied"],
)
def test_images_that_are_not_what_their_name_says_are_refused(
    store: Store, other: Store, damage: Callable[[bytes], bytes]
) -> None:
    fill(other, WHITE)
    path = images_of(other, WHITE)
    path.write_bytes(damage(path.read_bytes()))
    assert "file of crafted images is damaged" in refusals(store, other, claimed=True)


def _put(artifacts: Artifacts, content: bytes) -> str:
    import hashlib

    name = hashlib.sha256(content).hexdigest()
    artifacts.path(name).parent.mkdir(parents=True, exist_ok=True)
    artifacts.path(name).write_bytes(content)
    return name


@pytest.mark.parametrize(
    ("replacement", "reason"),
    [
        (lambda images: images, "distances are not those of its images"),
        (lambda images: images[:2], "crafted images are float32 (2, 1, 8, 8), not float32 (4, 1, 8, 8)"),
        (lambda images: images.astype(np.float64), "crafted images are float64"),
        (lambda images: 1 - images, "outside the threat model"),
        (lambda images: images * np.nan, "some pixels are not finite"),
        (None, "cannot be read"),
    ],
    ids=["clean", "fewer", "doubles", "far", "nan", "no images"],
)
def test_other_images_under_a_right_name_are_refused(
    store: Store, other: Store, replacement: Callable[[np.ndarray], np.ndarray] | None, reason: str
) -> None:
    fill(other, WHITE)
    if replacement is None:
        name = _put(other.artifacts, b"no images at all")
    else:
        name = other.artifacts.write(replacement(DIGITS.arrays(WHITE.shards()[0].indices)[0]))
    edit(other, f"UPDATE shards SET perturbed_sha256 = '{name}' WHERE number = 0")
    assert reason in refusals(store, other, claimed=True)


def test_another_shards_images_are_refused(store: Store, other: Store) -> None:
    fill(other, WHITE)
    name = images_of(other, WHITE, 1).stem
    edit(other, f"UPDATE shards SET perturbed_sha256 = '{name}' WHERE number = 0")
    assert "outside the threat model" in refusals(store, other)


def test_flow_fields_and_severities_are_judged_with_their_witness(store: Store, tmp_path: Path) -> None:
    old = Store(restore("schema_0002", tmp_path), create=False)
    plans = {plan.attack.name: plan for plan in old.plans()}
    for name in ("stadv", "corruption"):
        record = old.shards(plans[name])[0]
        bare = old.artifacts.write(old.artifacts.read(record.perturbed_sha256))
        edit(old, f"UPDATE shards SET perturbed_sha256 = '{bare}' WHERE perturbed_sha256 = '{record.perturbed_sha256}'")
    edit(old, f"UPDATE shards SET forwards = 9 WHERE plan = '{plans['corruption'].digest}' AND number = 1")
    reasons = [str(refusal) for refusal in merged(store, old, claimed=True).refused]
    assert len(reasons) == 2
    assert all("it is said to be valid, but" in reason for reason in reasons)
    assert any("no witness" in reason for reason in reasons)
    assert {plan.attack.name for plan in store.plans()} == {"pgd-linf", "cw-l2", "certify-l2"}


def test_a_corruption_that_asked_its_victim_is_said(store: Store, tmp_path: Path) -> None:
    old = Store(restore("schema_0002", tmp_path), create=False)
    edit(old, "UPDATE shards SET forwards = 9 WHERE plan IN (SELECT digest FROM plans WHERE attack = 'corruption')")
    (refusal,) = merged(store, old).refused
    assert "corruption asked the victim" in str(refusal)


def test_a_plan_about_other_images_is_refused(store: Store, other: Store) -> None:
    plan = replace(WHITE, images="f00d" * 16)
    other.add(plan, honest_result(WHITE, 0, other))
    assert "images and labels are not those of digits here" in refusals(store, other, claimed=True)
    smaller = replace(WHITE, size=1000, sampling="first")
    elsewhere = Store(Path(other.location).with_name("smaller.db"))
    elsewhere.add(smaller, honest_result(smaller, 0, elsewhere))
    assert "digits holds 1024 images here, not 1000" in refusals(store, elsewhere, claimed=True)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("tests.plugins:Halves", "code that a store names is not run"),
        ("./evil.py:Evil", "code that a store names is not run"),
        ("nothing-like-it", "no registered data set"),
        ("folder", "needs to know where its images are"),
    ],
)
def test_a_data_set_that_is_not_at_hand_is_said_and_its_plan_can_be_claimed(
    store: Store, other: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, reason: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "evil.py").write_text("from pathlib import Path\nPath('ran').touch()\nclass Evil: ...\n")
    plan = replace(WHITE, dataset=Spec(name))
    for number in (0, 1):
        other.add(plan, honest_result(plan, number, other))
    assert reason in refusals(store, other)
    found = merged(store, other, claimed=True)
    assert (found.copied, found.claimed, found.images, found.agrees) == (2, 2, 2, True)
    assert {shard.claimed for shard in store.shards(plan)} == {True}
    assert not (tmp_path / "ran").exists()


def test_what_contradicts_itself_is_refused_even_where_there_is_no_data_set(store: Store, other: Store) -> None:
    plan = replace(WHITE, dataset=Spec("nothing-like-it"))
    other.add(plan, honest_result(plan, 0, other, facts=None))
    assert "says nothing of what was observed" in refusals(store, other, claimed=True)


def test_one_edited_shard_keeps_its_whole_plan_out_but_no_other_plan(store: Store, other: Store) -> None:
    fill(other, WHITE, TRANSFER)
    edit(
        other,
        "UPDATE outcomes SET distance = 0 WHERE shard = "
        f"(SELECT id FROM shards WHERE plan = '{WHITE.digest}' AND number = 1)",
    )
    found = merged(store, other)
    assert store.plans() == [TRANSFER]
    assert (found.plans, found.new_plans, found.copied) == (2, 1, 2)
    (refusal,) = found.refused
    assert "shard 1: 4 of 4 distances" in str(refusal)


def test_an_edited_shard_that_contradicts_ours_is_refused_and_leaves_no_conflict(store: Store, other: Store) -> None:
    fill(store, WHITE)
    fill(other, WHITE)
    edit(other, "UPDATE outcomes SET distance = 0")
    found = merged(store, other)
    assert (len(found.refused), found.differences, store.conflicts()) == (1, (), ())


def test_predictions_that_contradict_ours_are_a_conflict_that_is_kept(store: Store, other: Store) -> None:
    store.add(WHITE, honest_result(WHITE, 0, store))
    fill(other, WHITE)
    edit(other, "UPDATE outcomes SET perturbed = json_array(label) WHERE position = 0")
    found = merged(store, other)
    assert (found.copied, found.equal, len(found.differences), found.refused) == (0, 0, 1, ())
    assert store.shard_numbers(WHITE) == {0}
    (conflict,) = store.conflicts(WHITE)
    assert (conflict.number, conflict.origin, conflict.samples, conflict.compared) == (0, "other.db", 1, 4)


def test_random_classifiers_give_a_prediction_a_draw(store: Store, other: Store) -> None:
    plan = honest_plan(draws=3)
    facts = replace(FACTS, random=True, declared_random=True, crafting=Crafting(40, 40, 40))

    def drawn(outcome: Outcome) -> Outcome:
        return replace(outcome, clean=outcome.clean * 3, perturbed=outcome.perturbed * 3)

    for shard in plan.shards():
        result = honest_result(plan, shard.index, other, facts=facts)
        other.add(plan, replace(result, outcomes=tuple(map(drawn, result.outcomes))))
    assert merged(store, other).agrees
    edit(other, "UPDATE outcomes SET perturbed = json_array(label)")
    fresh = Store(Path(store.location).with_name("fresh.db"))
    assert "perturbed images have 1 predictions each, not 3" in refusals(fresh, other)


def test_a_classifier_that_was_seen_to_be_deterministic_gives_one_prediction(store: Store, other: Store) -> None:
    plan = honest_plan(draws=3)
    result = honest_result(plan, 0, other)
    drawn = tuple(replace(outcome, perturbed=outcome.perturbed * 3) for outcome in result.outcomes)
    other.add(plan, replace(result, outcomes=drawn))
    assert "perturbed images have 3 predictions each, not 1" in refusals(store, other)


def test_images_outside_0_and_1_are_found_beside_the_budget(store: Store, other: Store) -> None:
    plan = honest_plan("cw-l2", threat=ThreatModel("l2", Fraction(2)))
    result = honest_result(plan, 0, other)
    images = DIGITS.arrays(plan.shards()[0].indices)[0]
    beside = {"closest": images - np.float32(0.5)}
    other.add(plan, replace(result, perturbed_sha256=other.artifacts.write(images, beside)))
    assert "closest images that cw-l2 proposed lie outside [0, 1]" in refusals(store, other)


def test_where_another_machines_files_lie_is_never_believed(store: Store, other: Store, tmp_path: Path) -> None:
    (tmp_path / "evil.py").write_text(f"from pathlib import Path\nPath({str(tmp_path / 'ran')!r}).touch()\n")
    place = f'{{"name": "{tmp_path / "evil.py"}:Evil"}}'
    fill(other, WHITE)
    edit(
        other,
        f"UPDATE plans SET document = json_set(document, '$.dataset.place', json('{place}'))",
        f"UPDATE plans SET places = json_object('defense', json('{place}'), 'dataset', json('{place}'))",
    )
    assert merged(store, other).agrees
    (plan,) = store.plans()
    assert (plan, plan.places) == (WHITE, {})
    assert not (tmp_path / "ran").exists()
