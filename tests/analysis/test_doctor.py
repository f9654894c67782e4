"""What an examination says of made-up outcomes, and which stored plans are its runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest

from bench.analysis.boards.leaderboards import leaderboards
from bench.analysis.results.doctor import Check, examine
from bench.analysis.results.examination import recognised
from bench.analysis.results.summary import read
from bench.domain.plan import Plan, Spec
from bench.domain.threat import ThreatModel
from bench.protocols.examination import EXAMS
from bench.store.store import Store
from tests.analysis.made import add, attack_spec, honest, make_plan

SAMPLES = 64
BASE = Fraction("0.1")
SOUND = {
    "noise": 62,
    "one step": 40,
    "pgd": 26,
    "more steps": 24,
    "twice": 4,
    "four times": 0,
    "all": 0,
    "square": 50,
    "transfer": 48,
    "probe": 26,
    "adaptive": 22,
}
TOLD = {
    **{"rows": 64, "zero": 0, "vanishing": 0, "exploding": 0, "saturated": 0},
    **{"misled_any": 38, "misled_last": 38, "misled_rounded": 37},
    **{"tested": 64, "found": 64, "guessed": 20},
}


def plan_of(name: str) -> Plan:
    exam = EXAMS[name]
    return make_plan(
        "vit",
        exam.name("linf"),
        params=exam.params("linf"),
        source=Spec("resnet", {"width": 32}) if exam.source else None,
        threat=ThreatModel("linf", exam.epsilon("linf", BASE)),
        samples=SAMPLES,
        shard_size=SAMPLES,
        knowledge="adaptive" if exam.attack == "adaptive" else "black-box" if exam.attack == "square" else "white-box",
        fixed_noise=exam.fixed_noise,
    )


def fill(
    store: Store, right: Mapping[str, int] = SOUND, told: Mapping[str, int] = TOLD, facts: Mapping[str, Any] = {}
) -> None:
    for name, count in right.items():
        plan = plan_of(name)
        crafting = {"told": told} if name == "probe" else {}
        found = honest(plan, crafting=None if plan.source else crafting, **facts)
        rows = [True] * SAMPLES, [i < count for i in range(SAMPLES)]
        add(store, plan, *rows, facts=found, passes=(10, 10))


def checks(store: Store) -> dict[str, Check]:
    found = recognised([(read(store, plan), store.table(plan)) for plan in store.plans()])
    return {check.name: check for check in examine(found)}


def test_a_sound_evaluation_passes_everything(store: Store) -> None:
    fill(store)
    found = checks(store)
    assert {check.verdict for check in found.values()} == {"pass"}
    assert len(found) == 13
    assert "noise 96.9 %, one step 62.5 %, pgd 40.6 %, adaptive 34.4 %" in found["strength"].sentence


def test_every_run_is_recognised_among_others_of_the_same_names(store: Store) -> None:
    fill(store)
    for changes in (
        {"attack": attack_spec("pgd-linf", {"steps": 7})},
        {"threat": ThreatModel("linf", Fraction("0.07"))},
    ):
        plan = replace(plan_of("pgd"), **changes)
        add(store, plan, [True] * SAMPLES, [False] * SAMPLES)
    found = recognised([(read(store, plan), store.table(plan)) for plan in store.plans()])
    assert set(found) == set(SOUND)
    assert found["pgd"][0].plan == plan_of("pgd")


def test_without_a_probe_there_was_no_examination(store: Store) -> None:
    fill(store, {name: count for name, count in SOUND.items() if name != "probe"})
    assert checks(store) == {}


@pytest.mark.parametrize(
    ("right", "told", "name", "verdict", "words"),
    [
        ({"one step": 10}, {}, "strength", "fail", "one step misleads more than pgd"),
        ({"square": 4}, {}, "gradients against square", "fail", "sees no gradient does better"),
        ({"transfer": 4}, {}, "gradients against transfer", "fail", "sees no gradient does better"),
        ({"all": 50}, {}, "budget", "fail", "With every image allowed"),
        ({"twice": 0, "four times": 20}, {}, "budget", "warn", "larger budget misleads less"),
        ({"more steps": 8, "adaptive": 8}, {}, "convergence", "warn", "still help"),
        ({"adaptive": 3}, {}, "adaptation", "warn", "PGD is not enough"),
        ({}, {"zero": 10}, "gradients", "fail", "zero for 15.6 %"),
        ({}, {"exploding": 10}, "gradients", "fail", "exploding"),
        ({}, {"saturated": 10}, "gradients", "warn", "saturated"),
        ({}, {"misled_any": 42}, "silent success", "warn", "4 of 64"),
        ({}, {"misled_any": 60}, "silent success", "fail", "22 of 64"),
        ({}, {"misled_rounded": 20}, "8 bits", "warn", "38 misled samples, 20 after"),
        ({}, {"found": 56}, "binarization", "warn", "56 of 64"),
        ({}, {"found": 10}, "binarization", "fail", "10 of 64"),
    ],
)
def test_every_flaw_is_named(
    store: Store, right: dict[str, int], told: dict[str, int], name: str, verdict: str, words: str
) -> None:
    fill(store, {**SOUND, **right}, {**TOLD, **told})
    found = checks(store)
    assert found[name].verdict == verdict
    assert words in found[name].sentence


@pytest.mark.parametrize(
    ("facts", "name", "verdict"),
    [
        ({"random": True, "declared_random": True}, "randomness", "warn"),
        ({"random": True}, "randomness", "fail"),
        ({"batch_dependent": True}, "batch", "fail"),
        ({"contracts": {"leaves its input alone": "It wrote."}}, "contracts", "fail"),
    ],
)
def test_what_the_harness_saw_of_the_defense_counts(
    store: Store, facts: dict[str, Any], name: str, verdict: str
) -> None:
    fill(store, facts=facts)
    assert checks(store)[name].verdict == verdict


def test_the_checks_stand_on_the_row_of_every_board(store: Store) -> None:
    fill(store)
    rows = [row for board in leaderboards(store) for row in board.rows if row.defense.name == "vit"]
    assert rows
    assert all(len(row.checks) == 13 for row in rows)
