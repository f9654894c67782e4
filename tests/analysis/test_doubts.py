"""What one plan's own facts and outcomes give away, and what they do not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from bench.analysis.evidence.controls import beaten
from bench.analysis.results.entries import read_entry
from bench.analysis.results.sightings import traits
from bench.analysis.results.summary import Result, read
from bench.domain.facts import Controls
from bench.domain.plan import Plan
from bench.store.store import Store
from tests.analysis.made import add, honest, make_plan, small_plan

N = 1024
RIGHT = [True] * N
MOST = [number % 8 != 0 for number in range(N)]
HALF = [number % 2 == 0 for number in range(N)]
DEFENSE, ATTACK, NOBODY = "defense", "attack", "evidence"


def white(attack: str = "pgd-linf", **changes: Any) -> Plan:
    return make_plan(attack=attack, source=None, **changes)


def result(
    store: Store,
    plan: Plan,
    perturbed: Sequence[bool] = MOST,
    *,
    crafting: dict[str, Any] | None = None,
    passes: tuple[int, int] = (40, 40),
    **changes: Any,
) -> Result:
    """The result of a plan whose shards have these facts."""
    add(store, plan, RIGHT, perturbed, facts=honest(plan, crafting=crafting, **changes), passes=passes)
    return read(store, plan)


def only(found: Result) -> tuple[str, str]:
    """Whom the one doubt there is blames, and what it says."""
    (doubt,) = found.findings
    assert found.doubts == (doubt.sentence,)
    return doubt.blames, doubt.sentence


def test_honest_runs_raise_no_doubt(store: Store) -> None:
    for plan in (white(), white("noise-linf", knowledge="black-box"), make_plan(), make_plan().untouched()):
        assert result(store, plan).doubts == ()
    plan = white("fgsm-linf")
    assert result(store, plan, HALF, crafting={"gradients": {"own": 1}}, passes=(1, 1)).doubts == ()


def test_one_frozen_noise_and_one_draw_are_said_and_accuse_nobody(store: Store) -> None:
    found = result(store, white(), random=True, declared_random=True)
    assert found.assurance.text == "white-box, fixed noise"
    assert {doubt.blames for doubt in found.findings} == {NOBODY}
    assert (
        "every gradient (320 in all) was taken under one frozen draw a shard, 8 in all, of its noise" in found.doubts[0]
    )
    assert "judged with one draw a sample" in found.doubts[1]
    several = small_plan(source=None, draws=4)
    add(store, several, [(1,) * 4] * 8, [(1, 1, 1, 0)] * 8, facts=honest(several, random=True, declared_random=True))
    (doubt,) = read(store, several).doubts
    assert "frozen" in doubt


def test_who_asks_about_parts_of_a_batch_does_not_meet_the_noise_that_the_judge_shares(store: Store) -> None:
    for parts, words in ((30, "a part of a batch"), (4, "")):
        plan = white(fixed_noise=True, seed=parts)
        found = result(store, plan, random=True, declared_random=True, crafting={"partial": parts})
        assert words in " ".join(found.doubts)
        assert bool(found.doubts) == bool(words)


def test_a_random_defense_that_calls_itself_deterministic_is_named(store: Store) -> None:
    found = result(store, make_plan(draws=1), random=True)
    assert (found.findings[0].blames, found.doubts[0][:36]) == (DEFENSE, "tmdc calls itself deterministic, but")


def test_broken_contracts_are_named_with_what_was_seen(store: Store) -> None:
    broken = {"leaves its input alone": "it changes the images that it is given", "gives equal logits": ""}
    blames, sentence = only(result(store, make_plan(), contracts=broken))
    assert blames == DEFENSE
    assert sentence == (
        "tmdc does not keep the contract that it leaves its input alone: it changes the images that it is given."
    )


def test_shortcuts_that_change_verdicts_are_doubted_and_others_are_counted_on_the_card(store: Store) -> None:
    honest_one = result(store, make_plan(), alike=(64, 64))
    assert honest_one.doubts == ()
    assert dict(traits([honest_one]))["same verdict without shortcuts"] == "512 of 512 [99.3\u2013100.0 %]"
    blames, sentence = only(result(store, make_plan("vit"), alike=(60, 64)))
    assert blames == DEFENSE
    assert "answers otherwise when it takes no shortcuts: 32 of 512 images get another verdict" in sentence


def test_answers_that_hang_on_the_batch_are_named(store: Store) -> None:
    assert "hangs on the other images of its batch" in only(result(store, make_plan(), batch_dependent=True))[1]


@pytest.mark.parametrize(("source", "words"), [("stand-in", "a stand-in of"), ("identity", "the identity in")])
def test_gradients_that_are_not_the_classifiers_are_counted(store: Store, source: str, words: str) -> None:
    blames, sentence = only(result(store, white(), crafting={"gradients": {"own": 10, source: 30}}))
    assert blames == NOBODY
    assert f"Of 320 gradients 240 came from {words}" in sentence


@pytest.mark.parametrize("knowledge", ["white-box", "adaptive"])
def test_an_attack_that_means_to_see_the_gradient_and_took_none_is_named(store: Store, knowledge: str) -> None:
    plan = white(knowledge=knowledge)
    crafting = {"gradients": {}, "controls": Controls()}
    blames, sentence = only(result(store, plan, crafting=crafting, passes=(40, 0)))
    assert blames == ATTACK
    assert f"pgd-linf calls itself {knowledge}, but took no gradient of tmdc in 328 queries" in sentence


def test_who_finds_no_image_rightly_classified_need_take_no_gradient(store: Store) -> None:
    plan = white()
    facts = honest(plan, crafting={"gradients": {}, "controls": Controls()})
    add(store, plan, [False] * N, [False] * N, facts=facts, distances=[0.0] * N)
    assert read(store, plan).doubts == ()


def test_a_black_box_that_took_gradients_is_named(store: Store) -> None:
    plan = white("noise-linf", knowledge="black-box")
    blames, sentence = only(result(store, plan, crafting={"gradients": {"own": 2}, "noises": 1}))
    assert (blames, sentence) == (ATTACK, "noise-linf calls itself black-box, but took 16 gradients of tmdc.")


def test_a_gradient_of_zero_is_the_defenses_if_it_calls_itself_differentiable(store: Store) -> None:
    found = result(store, white(), crafting={"zero_gradients": 0.375})
    assert only(found)[0] == DEFENSE
    assert "calls itself differentiable, but in 37.5 % of the rows" in found.doubts[0]
    other = white(seed=1)
    assert only(result(store, other, crafting={"zero_gradients": 0.375}, differentiable=False))[0] == NOBODY
    assert result(store, white(seed=2), crafting={"zero_gradients": 0.05}).doubts == ()


def controls(**counts: int) -> dict[str, Any]:
    """A crafting whose controls are these in a shard, where they are not those of an attack that works."""
    usual = {"rows": 8, "moved": 8, "above_noise": 8, "above_halfway": 8, "gradients": 8}
    return {"controls": Controls(**{**usual, **counts})}


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ({"above_noise": 4, "below_noise": 4}, "further than random noise of the same budget in 32 and less far in 32"),
        ({"above_halfway": 3, "below_halfway": 5}, "than the point halfway to it in 24 and nearer in 40"),
        ({"falling": 8}, "brings the true class nearer in 64 of 64"),
        ({"zero": 6}, "is zero in 48 of 64"),
        ({"saturated": 7}, "softmax is saturated in 56 of 64"),
    ],
)
def test_controls_that_an_attack_does_not_pass_are_counted(store: Store, counts: dict[str, int], words: str) -> None:
    blames, sentence = only(result(store, white(), crafting=controls(**counts)))
    assert words in sentence
    assert blames == (NOBODY if "saturated" in counts else ATTACK)


def test_a_gradient_that_is_not_the_classifiers_own_is_nobodys_fault(store: Store) -> None:
    for seed, changes in enumerate(({"crafting": {"gradients": {"identity": 40}}}, {"random": True})):
        crafting = {**changes.pop("crafting", {}), **controls(falling=6)}
        found = result(store, white(seed=seed), crafting=crafting, declared_random=True, **changes)
        assert any("brings the true class nearer in 48 of 64" in doubt for doubt in found.doubts)
        assert {doubt.blames for doubt in found.findings} == {NOBODY}


def test_controls_of_few_rows_or_of_an_attack_that_succeeds_say_nothing(store: Store) -> None:
    few = white(samples=128)
    weak = controls(above_noise=2, below_noise=6, above_halfway=2, below_halfway=6, falling=6)
    facts = honest(few, crafting=weak)
    add(store, few, [True] * 128, MOST[:128], facts=facts, passes=(40, 40))
    assert read(store, few).doubts == ()
    nearest = white("cw-l2")
    found = result(store, nearest, [False] * N, crafting=controls(above_noise=0, below_noise=8))
    assert found.doubts == ()


def test_an_attack_that_is_no_attack_by_gradient_may_be_no_better_than_noise(store: Store) -> None:
    plan = white("noise-linf", knowledge="black-box")
    even = controls(above_noise=4, below_noise=4, above_halfway=4, below_halfway=4, gradients=0)
    assert result(store, plan, crafting=even).doubts == ()


def test_a_single_step_may_overshoot(store: Store) -> None:
    plan = white("fgsm-linf")
    overshot = {"gradients": {"own": 1}, **controls(above_halfway=0, below_halfway=8)}
    assert result(store, plan, crafting=overshot, passes=(1, 1)).doubts == ()


@pytest.mark.parametrize(
    ("above", "below", "says"),
    [(0, 6, False), (0, 7, True), (1, 7, False), (4, 4, False), (12, 12, True), (32, 32, True), (36, 28, False)],
)
def test_a_control_is_lost_by_rows_enough(above: int, below: int, says: bool) -> None:
    assert beaten(above, below) is says


def test_an_attack_that_left_every_image_as_it_was_is_named(store: Store) -> None:
    plan = white()
    add(store, plan, RIGHT, RIGHT, facts=honest(plan), distances=[0.0] * N, passes=(40, 40))
    blames, sentence = only(read(store, plan))
    assert blames == NOBODY
    assert "left all 1024 rightly classified images exactly as they were" in sentence
    idle = white("fgsm-linf")
    crafting = {"queries": 0, "gradients": {}, "controls": Controls()}
    add(store, idle, RIGHT, RIGHT, facts=honest(idle, crafting=crafting), distances=[0.0] * N)
    assert [doubt.blames for doubt in read(store, idle).findings] == [ATTACK, ATTACK]


def test_images_that_one_step_leaves_as_they_were_show_a_gradient_of_zero(store: Store) -> None:
    plan = white("fgsm-linf")
    add(store, plan, RIGHT, RIGHT, passes=(1, 1), distances=[0.0] * 100 + [0.05] * (N - 100))
    (doubt,) = read(store, plan).doubts
    assert "left 100 of 1024 rightly classified images exactly as they were" in doubt


@pytest.mark.parametrize("draws", [1, 10])
def test_an_unchanged_image_that_is_predicted_otherwise_shows_a_random_defense(store: Store, draws: int) -> None:
    plan = white("aa-linf", draws=draws)
    moved = (1,) * (draws - 1) + (0,)
    add(
        *(store, plan, [(1,) * draws] * N, [moved] * 3 + [(1,) * draws] * (N - 3)),
        distances=[0.0] * 10 + [0.05] * (N - 10),
    )
    (doubt,) = read(store, plan).doubts
    assert "left as they were, 3 got another class" in doubt
    assert ("use --draws 10" in doubt) is (draws == 1)


def test_being_right_more_often_under_attack_is_named(store: Store) -> None:
    plan = white()
    add(store, plan, HALF, RIGHT)
    (doubt,) = read(store, plan).doubts
    assert "right more often under pgd-linf" in doubt
    assert "(100.0 and 50.0 %)" in doubt


def test_older_evidence_is_called_so_and_still_asked_what_its_outcomes_say(store: Store) -> None:
    plan = white()
    add(store, plan, HALF, RIGHT, facts=None)
    found = read(store, plan)
    assert found.assurance.text == "white-box, older evidence"
    assert (found.facts, found.replayed) == (None, 0)
    assert len(found.doubts) == 1


def test_the_document_carries_label_doubts_and_facts(store: Store) -> None:
    document = result(store, white(), random=True, declared_random=True).document()
    assert (document["assurance"], document["level"]) == ("white-box, fixed noise", "white-box")
    assert len(document["doubts"]) == 2
    assert document["facts"]["gradients"] == {"own": 320}
    assert document["facts"]["redrawn"] is False
    assert (document["replayed"], document["origin"], document["claimed"], document["conflicts"]) == (
        128,
        None,
        False,
        [],
    )


def test_a_row_carries_the_doubts_of_its_results(store: Store) -> None:
    from bench.analysis.boards.leaderboards import leaderboards

    for attack in ("pgd-linf", "aa-linf"):
        plan = make_plan(attack=attack)
        add(store, plan, RIGHT, MOST, facts=honest(plan, random=True, declared_random=True))
    (board,) = leaderboards(store)
    (note,) = board.rows[0].notes
    assert note.attacks == ("pgd-linf", "aa-linf")
    assert note.sentence in read_entry(store, make_plan(attack="aa-linf")).result.doubts
