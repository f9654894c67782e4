"""Accuracy against the budget: from evaluations at several of them, and from the distances of nearest adversaries."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from bench.analysis.notation import NORMS
from bench.analysis.specs import identity
from bench.domain.plan import Spec
from bench.pages.figures.curves import MOST, POINTS, Curve, draw, measured, survival
from bench.pages.figures.drawing import Drawing, Reader, called, limited, named_rows, picture, usable

if TYPE_CHECKING:
    from bench.analysis.boards.leaderboards import Leaderboard
    from bench.analysis.results.summary import Result

PANELS = 3
RUN, NEAREST = "run at each budget", "nearest adversaries"
SAID = {
    RUN: " Marks with bars are evaluations of their own, with 95 % intervals.",
    NEAREST: " A curve in a band counts the samples whose nearest adversary, sought without a budget, lies beyond.",
}
"""What a caption says of the panels of either kind."""


def budgets(board: Leaderboard, read: Reader, name: str) -> Drawing | None:
    """One panel an attack that was run at several budgets, and one an attack that looked for the nearest adversary."""
    attacks = [column.attack for column in board.columns]
    panels: list[str] = []
    kinds: list[str] = []
    most = 0
    for attack, norm, columns in _attacks(board):
        results = list(_results(board, columns))
        several = [_measured(label, found) for label, found in results if len(found) > 1]
        closest = _nearest([(label, found[-1]) for label, found in results], read)
        for kind, curves in ((RUN, several), (NEAREST, closest)):
            if curves and len(panels) < PANELS:
                place, title = f"{name}-{len(panels)}", called(attack, attacks)
                panels.append(draw(place, curves[:MOST], title, kind, f"budget, {NORMS[norm]}"))
                kinds.append(kind)
                most = max(most, len(curves))
    caption = "Share of samples classified correctly under a budget of so much."
    caption += "".join(sentence for kind, sentence in SAID.items() if kind in kinds)
    return picture("Accuracy against budget", caption + limited(min(most, MOST), most), panels)


def _attacks(board: Leaderboard) -> Iterator[tuple[Spec, str, list[int]]]:
    """Attack, norm and columns that differ in their budget alone, smallest first."""
    groups: dict[tuple[str, str], list[int]] = {}
    for number, column in enumerate(board.columns):
        groups.setdefault((identity(column.attack), column.threat.norm), []).append(number)
    for (_, norm), found in groups.items():
        yield board.columns[found[0]].attack, norm, sorted(found, key=lambda at: board.columns[at].threat.epsilon)


def _results(board: Leaderboard, columns: Sequence[int]) -> Iterator[tuple[str, list[Result]]]:
    for label, row in named_rows(board):
        results = [result for at in columns if (result := row.results[at]) is not None and usable(result)]
        if results:
            yield label, results


def _measured(label: str, results: Sequence[Result]) -> Curve:
    run = [(float(result.plan.threat.epsilon), result.robust.mean) for result in results]
    return measured(label, [(0.0, results[0].clean.mean), *run])


def _nearest(results: Sequence[tuple[str, Result]], read: Reader) -> list[Curve]:
    """A curve for each of the first defenses whose every sample has a known smallest distance."""
    distances: list[tuple[str, np.ndarray]] = []
    for label, result in results:
        found = read(result.plan).minimal
        if np.isnan(found).any():
            if not distances:
                return []
            continue
        distances.append((label, found))
        if len(distances) == MOST:
            break
    finite = [each[np.isfinite(each)] for _, each in distances]
    reach = max((float(np.quantile(each, 0.99)) for each in finite if len(each)), default=0.0)
    if reach <= 0:
        return []
    places = np.linspace(0, reach * 1.02, POINTS)
    return [survival(each, places, label) for label, each in distances]
