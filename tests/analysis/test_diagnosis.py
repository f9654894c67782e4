"""What a row's own outcomes give away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

from bench.analysis.results.diagnosis import diagnose
from bench.analysis.results.entries import read_entry
from bench.domain.plan import Plan
from bench.domain.threat import ThreatModel
from bench.store.store import Store
from tests.analysis.made import add, make_plan

N = 1024
RIGHT = [True] * N
HALF = [number % 2 == 0 for number in range(N)]
QUARTER = [number % 4 == 0 for number in range(N)]


def white(attack: str, epsilon: str = "0.05", knowledge: str = "white-box") -> Plan:
    plan = make_plan(attack=attack, source=None, knowledge=knowledge)
    return replace(plan, threat=ThreatModel(plan.threat.norm, Fraction(epsilon)))


def doubts(store: Store, plans: Sequence[Plan]) -> tuple[str, ...]:
    entries = [read_entry(store, plan) for plan in plans]
    return diagnose([(entry.result, entry.outcomes) for entry in entries])


def test_results_as_they_should_be_raise_no_doubt(store: Store) -> None:
    fgsm, pgd, noise = white("fgsm-linf"), white("pgd-linf"), white("noise-linf", knowledge="black-box")
    add(store, noise, RIGHT, RIGHT, passes=(10, 0))
    add(store, fgsm, RIGHT, HALF, passes=(1, 1))
    add(store, pgd, RIGHT, QUARTER, passes=(40, 40))
    assert doubts(store, [fgsm, pgd, noise]) == ()
    assert diagnose([]) == ()


def test_one_step_that_misleads_more_often_than_many_hints_at_a_masked_gradient(store: Store) -> None:
    fgsm, pgd = white("fgsm-linf"), white("pgd-linf")
    add(store, fgsm, RIGHT, QUARTER, passes=(1, 1))
    add(store, pgd, RIGHT, HALF, passes=(40, 40))
    (doubt,) = doubts(store, [fgsm, pgd])
    assert "misleads more often than pgd-linf" in doubt
    assert "25.0 and 50.0 % still right" in doubt


def test_a_difference_that_chance_explains_raises_no_doubt(store: Store) -> None:
    fgsm, pgd = white("fgsm-linf"), white("pgd-linf")
    add(store, fgsm, RIGHT, [False] * 5 + HALF[5:], passes=(1, 1))
    add(store, pgd, RIGHT, HALF, passes=(40, 40))
    assert doubts(store, [fgsm, pgd]) == ()


def test_an_attack_that_sees_less_and_misleads_more_hints_at_a_masked_gradient(store: Store) -> None:
    noise, pgd = white("noise-linf", knowledge="black-box"), white("pgd-linf")
    add(store, noise, RIGHT, QUARTER, passes=(10, 0))
    add(store, pgd, RIGHT, HALF, passes=(40, 40))
    (doubt,) = doubts(store, [noise, pgd])
    assert "noise-linf at ℓ∞\u00a0≤\u00a00.05 misleads more often" in doubt
    stronger = white("noise-linf", epsilon="0.1", knowledge="black-box")
    add(store, stronger, RIGHT, [False] * N)
    assert doubts(store, [stronger, pgd]) == ()


def test_a_larger_budget_that_misleads_less_is_named(store: Store) -> None:
    small, large = white("pgd-linf"), white("pgd-linf", epsilon="0.1")
    add(store, small, RIGHT, QUARTER)
    add(store, large, RIGHT, HALF)
    (doubt,) = doubts(store, [small, large])
    assert "than with the larger ℓ∞\u00a0≤\u00a00.1" in doubt


def test_incomplete_and_invalid_results_are_not_asked(store: Store) -> None:
    fgsm, pgd = white("fgsm-linf"), white("pgd-linf")
    add(store, fgsm, RIGHT, QUARTER, passes=(1, 1), invalid="One image left the budget.")
    add(store, pgd, HALF, RIGHT, passes=(40, 40), shards=[0])
    assert doubts(store, [fgsm, pgd]) == (
        "Its clean predictions differ from attack to attack, which equal settings on one kind of machine never give; "
        "compare the environments below.",
    )
