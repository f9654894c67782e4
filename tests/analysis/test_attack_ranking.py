"""Attacks on one defense, ranked by how near their images lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from bench.analysis.boards.attack_ranking import attack_boards, curve, optimality
from bench.domain.outcome import Outcome, ShardResult
from bench.domain.plan import Plan
from bench.store.store import Store
from tests.analysis.made import ENVIRONMENT, add, honest, make_plan

N = 64


def plan_of(attack: str, **changes: Any) -> Plan:
    return make_plan("vit", attack, source=None, samples=N, shard_size=N, **changes)


def nearest(store: Store, plan: Plan, distances: Sequence[float]) -> None:
    """A finished plan of an attack that looks for the nearest image and found these distances; 0 is wrong as it is."""
    epsilon = plan.threat.radius
    outcomes = tuple(
        Outcome(
            *(index, 1, (int(distance > 0),), (int(distance > epsilon),), min(distance, epsilon) if distance else 0.0),
            minimal=distance,
        )
        for index, distance in zip(plan.indices, distances, strict=True)
    )
    store.add(plan, ShardResult(0, outcomes, 10 * N, 10 * N, 1.0, 1, "c0" * 32, None, (), ENVIRONMENT, honest(plan)))


def test_optimality_is_one_for_the_best_and_zero_for_one_that_finds_nothing() -> None:
    best = np.array([0.0, 0.1, 0.2, 0.4])
    assert optimality(best, best, 0.4) == 1.0
    assert optimality(np.array([0.0, np.inf, np.inf, np.inf]), best, 0.4) == 0.0
    # areas 0.3 and 0.175, span 0.75 * 0.4 - 0.175
    assert optimality(np.array([0.0, 0.4, 0.4, 0.4]), best, 0.4) == pytest.approx(0.0)
    assert optimality(np.array([0.0, 0.1, 0.4, 0.4]), best, 0.4) == pytest.approx(1 - (0.225 - 0.175) / (0.3 - 0.175))
    assert optimality(np.zeros(4), np.zeros(4), 0.0) == 1.0


def test_attacks_are_ranked_against_the_best_of_all_sample_by_sample(store: Store) -> None:
    base = np.linspace(0.02, 0.2, N)
    base[0] = 0.0
    odd = np.arange(N) % 2 == 1
    nearest(store, plan_of("fmn-linf"), (base * np.where(odd, 1, 1.1)).tolist())
    nearest(store, plan_of("fab-linf"), (base * np.where(odd, 1.1, 1)).tolist())
    nearest(store, plan_of("pdpgd-linf"), (base * 2).tolist())
    add(store, plan_of("pgd-linf"), [True] * N, [False] * 8 + [True] * (N - 8), distances=[0.05] * N)
    (board,) = attack_boards(store)
    assert (board.norm, board.defense.name) == ("linf", "vit")
    assert np.allclose(board.best[9:], base[9:])
    assert [row.attack.name for row in board.rows][2:] == ["pdpgd-linf", "pgd-linf"]
    assert [row.rank for row in board.rows] == [1, 1, 3, None]
    assert board.rows[-1].optimality is None
    assert 0 < board.rows[-1].reached < 1
    libraries = {row.attack.name: row.library for row in board.rows}
    assert (libraries["fab-linf"], libraries["fmn-linf"]) == ("pyautoattack", "bench")
    document = board.document()
    assert document["rows"][2]["optimality"] == pytest.approx(board.rows[2].optimality)


def test_transferred_images_and_a_single_attack_make_no_board(store: Store) -> None:
    nearest(store, plan_of("fmn-linf"), [0.1] * N)
    transfer = replace(plan_of("fab-linf"), source=plan_of("fab-linf").defense)
    nearest(store, transfer, [0.05] * N)
    assert attack_boards(store) == ()


def test_a_curve_falls_from_the_clean_accuracy() -> None:
    path = curve(np.array([0.0, 0.1, 0.2, 0.4]), 0.4, False)
    assert path.startswith("M0 5.00")
    assert path.endswith("100 20.00")
    assert curve(np.array([0.0, 0.1]), 0.1, True).endswith("Z")
