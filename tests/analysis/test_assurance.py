"""What a number is called, from what was observed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bench.analysis.evidence.assurance import assure
from bench.domain.facts import Evidence
from bench.domain.plan import Plan
from tests.analysis.made import honest, make_plan


def white(attack: str = "pgd-linf", **changes: Any) -> Plan:
    return make_plan(attack=attack, source=None, **changes)


def seen(plan: Plan, shards: int = 1, crafting: dict[str, Any] | None = None, **changes: Any) -> Evidence:
    """The evidence of equal shards."""
    found = Evidence.of([honest(plan, crafting=crafting, **changes)] * shards)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("plan", "text"),
    [
        (white(), "white-box"),
        (white(knowledge="adaptive"), "adaptive"),
        (white("noise-linf", knowledge="black-box"), "black-box"),
        (white("certify-l2", knowledge="certified"), "certified"),
        (make_plan(), "transfer"),
        (make_plan().untouched(), "clean"),
    ],
)
def test_the_level_is_what_was_done_to_the_defense(plan: Plan, text: str) -> None:
    assert assure(plan, seen(plan)).text == text
    assert assure(plan, None).text == f"{text}, older evidence"
    assert assure(plan, seen(plan), invalid=True).text == "invalid"
    assert assure(plan, seen(plan), claimed=True).text == f"claimed, {text}"


def test_an_attack_that_took_no_gradient_is_a_black_box_whatever_it_calls_itself() -> None:
    for knowledge in ("white-box", "adaptive"):
        plan = white(knowledge=knowledge)
        assert assure(plan, seen(plan, crafting={"gradients": {}})).text == "black-box"
    plan = white("noise-linf", knowledge="black-box")
    assert assure(plan, seen(plan, crafting={"gradients": {"own": 1}, "noises": 1})).text == "white-box"


def test_one_frozen_noise_a_shard_is_fixed_noise_however_many_shards_there_are() -> None:
    plan = white()
    for shards in (1, 2, 8):
        for taken in (1, 40):
            found = seen(plan, shards, {"gradients": {"own": taken}, "noises": 1}, random=True, declared_random=True)
            label = assure(plan, found)
            assert label.text == "white-box, fixed noise"
            assert label.fixed_noise


def test_fresh_noise_again_and_again_is_in_expectation() -> None:
    plan = white()
    found = seen(plan, 2, {"gradients": {"own": 400}, "noises": 400}, random=True)
    assert assure(plan, found).text == "white-box, in expectation"
    restarts = seen(plan, 2, {"gradients": {"own": 400}, "noises": 5}, random=True)
    assert assure(plan, restarts).fixed_noise
    assert assure(plan, seen(plan, 2, {"gradients": {"own": 400}, "noises": 400})).text == "white-box"


def test_a_random_defense_that_nobody_attacked_by_gradient_has_no_fixed_noise() -> None:
    for plan in (make_plan(), white("noise-linf", knowledge="black-box"), make_plan().untouched()):
        assert not assure(plan, seen(plan, random=True)).fixed_noise


@pytest.mark.parametrize(
    ("gradients", "text"),
    [
        ({"stand-in": 40}, "white-box, stand-in gradient"),
        ({"identity": 40}, "white-box, identity gradient"),
        ({"own": 20, "identity": 20}, "white-box, identity gradient"),
        ({"own": 30, "stand-in": 10}, "white-box"),
    ],
)
def test_whose_gradient_it_was_is_named_where_most_were_not_the_classifiers(
    gradients: dict[str, int], text: str
) -> None:
    plan = white()
    assert assure(plan, seen(plan, crafting={"gradients": gradients})).text == text
    fixed = replace(plan, defense=plan.defense)
    assert assure(fixed, seen(fixed, crafting={"gradients": gradients}, random=True)).text == f"{text}, fixed noise"


def test_an_adaptive_attack_that_took_several_gradients_is_named_after_none_of_them() -> None:
    plan = white("adaptive-linf", knowledge="adaptive")

    def label(**gradients: int) -> str:
        return assure(plan, seen(plan, crafting={"gradients": gradients})).text

    assert label(exact=30, surrogate=35, identity=35) == "adaptive"
    assert label(exact=10, surrogate=30, identity=60) == "adaptive, identity gradient"


def test_noise_that_attack_and_judge_share_is_named() -> None:
    plan = white(fixed_noise=True)
    assert assure(plan, seen(plan, random=True, declared_random=True)).text == "white-box, shared noise"
