"""What a leaderboard's picture shows and where: a band a defense, a lane a measure, a mark and its interval on each.

Heights are in CSS pixels; the page stretches the widths, so that letters keep their size on a telephone.
"""

from __future__ import annotations

from dataclasses import dataclass

from bench.report.leaderboards import Leaderboard
from bench.report.rows import Row
from bench.report.summary import Result
from bench.stats import Proportion

TOP, BOTTOM, LANE, GAP = 28, 26, 17, 26
LONGEST_NAME = 20
CIRCLE = "m -4.3 0 a 4.3 4.3 0 1 0 8.6 0 a 4.3 4.3 0 1 0 -8.6 0 z"
DIAMOND = "m 0 -6.5 6.5 6.5 -6.5 6.5 -6.5 -6.5 z"
# Triangle up, square, triangle down, cross, pentagon, bar: told apart without colour too.
SHAPES = (
    "m 0 -5 4.6 8.4 -9.2 0 z",
    "m -4.2 -4.2 8.4 0 0 8.4 -8.4 0 z",
    "m 0 5 -4.6 -8.4 9.2 0 z",
    "m -1.6 -5 3.2 0 0 3.4 3.4 0 0 3.2 -3.4 0 0 3.4 -3.2 0 0 -3.4 -3.4 0 0 -3.2 3.4 0 z",
    "m 0 -5.3 4.8 3.6 -1.9 5.7 -5.8 0 -1.9 -5.7 z",
    "m -5.2 -2.6 10.4 0 0 5.2 -10.4 0 z",
)


@dataclass(frozen=True)
class Lane:
    """One measure of one defense.

    `style` names its colour, `shape` is SVG path data around the origin. Without a valid `share`, `reason` says why
    in a word or two; `partial` marks one that rests on a part of the samples.
    """

    label: str
    style: str
    shape: str
    y: float
    share: Proportion | None
    reason: str = ""
    partial: bool = False


@dataclass(frozen=True)
class Band:
    """One defense: its lanes from the clean images to the worst case; `name` is cut to fit."""

    name: str
    full_name: str
    top: float
    lanes: tuple[Lane, ...]


@dataclass(frozen=True)
class Picture:
    """All bands, and the height that they need."""

    height: float
    bands: tuple[Band, ...]


def draw(board: Leaderboard) -> Picture:
    """The picture of a leaderboard, in the order of its rows."""
    bands: list[Band] = []
    top = float(TOP)
    for row in board.rows:
        bands.append(_band(row, labels(board), top))
        top += len(bands[-1].lanes) * LANE + GAP
    return Picture(top - GAP + BOTTOM, tuple(bands))


def labels(board: Leaderboard) -> tuple[str, ...]:
    """A short name a column: the attack's, with its budget where the attack stands there twice."""
    names = [column.attack.name for column in board.columns]
    return tuple(
        column.attack.name if names.count(column.attack.name) == 1 else f"{column.attack.name} {column.threat}"
        for column in board.columns
    )


def _band(row: Row, names: tuple[str, ...], top: float) -> Band:
    heights = [top + (number + 0.5) * LANE for number in range(len(names) + 2)]
    attacks = zip(names, row.results, heights[1:-1], strict=True)
    lanes = (
        Lane("clean", "clean", CIRCLE, heights[0], row.clean.mean),
        *(_lane(number, label, result, y) for number, (label, result, y) in enumerate(attacks)),
        Lane("worst case", "worst", DIAMOND, heights[-1], row.worst, "not ranked"),
    )
    return Band(_short(row.defense.name), row.defense.name, top, lanes)


def _lane(number: int, label: str, result: Result | None, y: float) -> Lane:
    kind = number % len(SHAPES)
    style, shape = f"attack{kind}", SHAPES[kind]
    if result is None or result.invalid:
        return Lane(_short(label), style, shape, y, None, "invalid" if result else "not run")
    return Lane(_short(label), style, shape, y, result.robust.mean, partial=not result.complete)


def _short(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else f"…{name[1 - LONGEST_NAME :]}"
