"""Accuracy against a setting that is a number: a training step, an attack's iterations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from bench.analysis.notation import budget
from bench.analysis.specs import identity
from bench.domain.plan import Spec
from bench.pages.figures.curves import MOST, Curve, draw, measured
from bench.pages.figures.drawing import Drawing, column_names, limited, named_rows, picture, usable

if TYPE_CHECKING:
    from bench.analysis.boards.leaderboards import Leaderboard
    from bench.analysis.boards.rows import Row
    from bench.stats import Proportion

PANELS = 3
LOGARITHMIC = 20.0
"""From this ratio of the largest to the smallest value on, equal steps along the axis are equal ratios."""

Series = tuple[str, Sequence[tuple[float, "Proportion"]]]


def settings(board: Leaderboard, name: str) -> Drawing | None:
    """One panel a defense or attack that stands there several times and differs in one numeric setting alone."""
    found = [*_of_defenses(board), *_of_attacks(board)]
    panels: list[str] = []
    most = 0
    for title, note, key, series in found[:PANELS]:
        curves = [measured(label, points) for label, points in series if len(points) > 1]
        if curves:
            panels.append(draw(f"{name}-{len(panels)}", curves[:MOST], title, note, key, logarithmic=_spans(curves)))
            most = max(most, len(curves))
    caption = "Every mark is an evaluation of its own with its 95 % interval; all else is equal along a curve."
    return picture("Accuracy against a setting", caption + limited(min(most, MOST), most, "curves"), panels)


def _of_defenses(board: Leaderboard) -> Iterator[tuple[str, str, str, list[Series]]]:
    """Of each defense with such a setting: a series for clean images, one an attack, and one for the worst case."""
    rows = {identity(row.defense): row for row in board.rows}
    for spec, key, values in _families([row.defense for row in board.rows]):
        points = [(value, rows[identity(member)]) for value, member in values]
        lines: list[Series] = [("clean", [(value, row.clean.mean) for value, row in points])]
        for at, attack in enumerate(column_names(board)):
            shares = [(value, _robust(row, at)) for value, row in points]
            lines.append((attack, [(value, share) for value, share in shares if share]))
        lines.append(("worst case", [(value, row.worst) for value, row in points if row.worst]))
        yield spec.name, "", key, lines


def _of_attacks(board: Leaderboard) -> Iterator[tuple[str, str, str, list[Series]]]:
    """Of each attack with such a setting: a series a defense."""
    budgets = {str(column.threat): column.threat for column in board.columns}
    for threat in budgets.values():
        places = {identity(column.attack): at for at, column in enumerate(board.columns) if column.threat == threat}
        for spec, key, values in _families([board.columns[at].attack for at in places.values()]):
            lines: list[Series] = []
            for label, row in named_rows(board):
                shares = [(value, _robust(row, places[identity(member)])) for value, member in values]
                lines.append((label, [(value, share) for value, share in shares if share]))
            yield spec.name, budget(threat), key, lines


def _families(specs: Sequence[Spec]) -> Iterator[tuple[Spec, str, list[tuple[float, Spec]]]]:
    """Specs of one name that differ in one numeric setting alone, with its values in order; weights may follow it."""
    for key in dict.fromkeys(key for spec in specs for key in spec.params):
        groups: dict[str, list[tuple[float, Spec]]] = {}
        for spec in specs:
            value = spec.params.get(key)
            if isinstance(value, int | float) and not isinstance(value, bool):
                rest: Mapping[str, object] = {other: held for other, held in spec.params.items() if other != key}
                groups.setdefault(identity(replace(spec, params=rest, weights={})), []).append((value, spec))
        for members in groups.values():
            if len({value for value, _ in members}) == len(members) > 1:
                yield members[0][1], key, sorted(members, key=lambda member: member[0])


def _robust(row: Row, at: int) -> Proportion | None:
    result = row.results[at]
    return result.robust.mean if result is not None and usable(result) else None


def _spans(curves: Sequence[Curve]) -> bool:
    values = [value for curve in curves for value in curve.x]
    return min(values) > 0 and max(values) >= LOGARITHMIC * min(values)
