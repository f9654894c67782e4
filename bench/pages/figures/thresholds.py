"""Curves that one number a sample gives: the radius within which it is certified, the iteration at which it falls."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bench.analysis.notation import NORMS
from bench.pages.figures.curves import MOST, POINTS, Curve, counted, draw
from bench.pages.figures.drawing import Drawing, Reader, called, columns, limited, picture, results_at

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bench.analysis.boards.leaderboards import Leaderboard
    from bench.analysis.results.summary import Result

CERTIFIERS, ATTACKS = 2, 3
"""So many panels are drawn at most."""


def radii(board: Leaderboard, read: Reader, name: str) -> Drawing | None:
    """One panel a certifier: the share of samples whose label is certified at least so far, by radius."""
    attacks = [column.attack for column in board.columns]
    panels: list[str] = []
    there = 0
    for at, column in enumerate(board.columns):
        proven = [(label, result) for label, result in results_at(board, at) if result.certified]
        known = [(label, np.nan_to_num(read(result.plan).radius)) for label, result in proven]
        reach = max((float(radius.max()) for _, radius in known), default=0.0)
        if reach <= 0 or len(panels) == CERTIFIERS:
            continue
        there = max(there, len(known))
        places = np.linspace(0, reach * 1.02, POINTS)
        curves = [
            counted(label, places.tolist(), [int(((found > 0) & (found >= at)).sum()) for at in places], len(found))
            for label, found in known[:MOST]
        ]
        along = f"radius, {NORMS[column.threat.norm]}"
        panels.append(
            draw(f"{name}-{len(panels)}", curves, called(column.attack, attacks), "", along, "certified correct, %")
        )
    caption = (
        "Share of samples that provably keep their right label within a radius of so much; bands are 95 % intervals."
    )
    return picture("Certified accuracy against radius", caption + limited(min(there, MOST), there), panels)


def iterations(board: Leaderboard, read: Reader, name: str) -> Drawing | None:
    """One panel an attack that tells its iterations and needs more than one, the first `ATTACKS` of them."""
    panels: list[str] = []
    most = 0
    for label, note, results in _attacks(board):
        known: list[tuple[str, NDArray[np.float64]]] = []
        for defense, result in results[:MOST]:
            found = read(result.plan).broken_at
            if np.isnan(found).any():
                break
            known.append((defense, found))
        last = int(max((found.max() for _, found in known), default=0))
        if last > 1 and len(panels) < ATTACKS:
            curves = [_curve(defense, found, last) for defense, found in known]
            panels.append(draw(f"{name}-{len(panels)}", curves, label, note, "iteration", "misled so far, %"))
            most = max(most, len(results))
    caption = (
        "Share of samples that the attack had seen misclassified by so many of its iterations; at 0 stand the clean "
        "images that are wrong already. A curve that still rises at its end asks for a longer attack. An attack with "
        "several budgets or settings is drawn where the defenses differ most."
    )
    return picture("Attack success by iteration", caption + limited(min(most, MOST), most), panels)


def _attacks(board: Leaderboard) -> list[tuple[str, str, list[tuple[str, Result]]]]:
    """Name, budget and valid results of each attack; where it stands there several times, where they differ most."""
    found: dict[str, tuple[float, str, str, list[tuple[str, Result]]]] = {}
    for at, (label, budget) in enumerate(columns(board)):
        name = board.columns[at].attack.name
        results = results_at(board, at)
        rates = [result.robust_accuracy for _, result in results]
        if rates and (name not in found or found[name][0] < max(rates) - min(rates)):
            found[name] = (max(rates) - min(rates), label, budget, results)
    return [each[1:] for each in found.values()]


def _curve(name: str, broken_at: NDArray[np.float64], last: int) -> Curve:
    places = sorted({round(place) for place in np.linspace(0, last, POINTS)})
    counts = [int(((broken_at >= 0) & (broken_at <= place)).sum()) for place in places]
    return counted(name, places, counts, len(broken_at))
