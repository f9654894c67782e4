"""Bars of a few defenses under each attack, with a dot for every seed."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.pages.figures.drawing import Drawing, columns, named_rows, percent, usable
from bench.pages.figures.sheet.canvas import HUES, LARGE, NORMAL, QUARTERS, SMALL, Canvas, colour, rectangle, sheet
from bench.pages.figures.sheet.labels import shorten, width

if TYPE_CHECKING:
    from bench.analysis.boards.leaderboards import Leaderboard
    from bench.analysis.boards.rows import Row
    from bench.analysis.results.summary import Result
    from bench.stats import Interval

FEWEST, MOST = 2, 4
GROUPS, PANELS = 4, 2
SEVERAL = 3
"""An attack that stands there so many times, with other budgets or settings, has a picture of its own."""
WIDE, HIGH = 400.0, 280.0
MARGINS = (30.0, 40.0, 8.0, 62.0)
LONGEST = 40


@dataclass(frozen=True)
class Bar:
    """One height with its interval, and the heights of single seeds where there are several."""

    name: str
    rate: float
    interval: Interval
    seeds: tuple[float, ...] = ()


@dataclass(frozen=True)
class Bars:
    """The bars of all defenses under one attack; None where a defense has no complete and valid result."""

    label: str
    budget: str
    bars: tuple[Bar | None, ...]

    @property
    def name(self) -> str:
        """What they have in common, in one line."""
        return f"{self.label} {self.budget}".strip()


def bars(board: Leaderboard, name: str) -> Drawing | None:
    """All defenses of a board of two to four; of a larger one the first four that ran under several seeds."""
    rows = named_rows(board)
    if not FEWEST <= len(rows) <= MOST:
        rows = [(label, row) for label, row in rows if any(result.spread for result in row.found)][:MOST]
    groups = list(_groups(board, rows))
    if not rows or len(groups) < 2:
        return None
    panels: list[str] = []
    shown = groups[: GROUPS * PANELS]
    each = max(math.ceil(len(shown) / math.ceil(len(shown) / GROUPS)), FEWEST + 1)
    for start in range(0, len(shown), each):
        part = shown[start : start + each]
        panels.append(_draw(f"{name}-{len(panels)}", [label for label, _ in rows], part, each))
    caption = "Share of samples classified correctly, with 95 % intervals."
    if any(bar and bar.seeds for group in groups for bar in group.bars):
        caption += " A bar is the mean over seeds, a dot one seed; the interval counts every sample once."
    if len(groups) > GROUPS * PANELS:
        caption += f" The first {GROUPS * PANELS} of {len(groups)} groups are drawn."
    return Drawing("Under each attack", caption, tuple(panels))


def _groups(board: Leaderboard, rows: Sequence[tuple[str, Row]]) -> Iterator[Bars]:
    """The clean images, then every attack, those aside that have a picture of their own."""
    yield Bars("clean", "", tuple(Bar(label, row.clean.mean.rate, row.clean.mean.interval) for label, row in rows))
    often = Counter(column.attack.name for column in board.columns)
    for at, (attack, budget) in enumerate(columns(board)):
        found = tuple(_bar(label, row.results[at]) for label, row in rows)
        if any(found) and often[board.columns[at].attack.name] < SEVERAL:
            yield Bars(attack, budget, found)


def _bar(label: str, result: Result | None) -> Bar | None:
    if result is None or not usable(result):
        return None
    if result.spread is None:
        return Bar(label, result.robust.mean.rate, result.robust.mean.interval)
    return Bar(label, result.spread.mean, result.spread.interval, result.spread.rates)


def _draw(name: str, defenses: Sequence[str], groups: Sequence[Bars], room: int) -> str:
    """The bars of these groups, with room for so many."""
    margins = MARGINS if any(group.budget for group in groups) else (MARGINS[0], MARGINS[1] - 14, *MARGINS[2:])
    with sheet(WIDE, HIGH, margins) as canvas:
        canvas.bound((-0.5, room - 0.5), (0, 1))
        canvas.grid((), QUARTERS, lines="y")
        canvas.write(0, HIGH - MARGINS[3] + 19, "correct, %")
        longest = int((WIDE - MARGINS[0] - MARGINS[2]) / room / width("n", NORMAL))
        for at, group in enumerate(groups):
            middle, _ = canvas.pixel(at, 0)
            canvas.write(middle, margins[1] - 16, shorten(group.label, longest), align="center", colour="ink")
            canvas.write(middle, margins[1] - 31, shorten(group.budget, longest), align="center")
        _add_key(canvas, defenses)
        thick = 0.78 / len(defenses)
        for at, group in enumerate(groups):
            for number, bar in enumerate(group.bars):
                if bar is not None:
                    _add(canvas, at + (number - (len(defenses) - 1) / 2) * thick, thick * 0.88, bar, number, group.name)
        words = [
            f"{bar.name}, {group.name}: {percent(bar.rate)}."
            for group in groups
            for bar in group.bars
            if bar is not None
        ]
        return canvas.svg(name, f"Bars of {', '.join(defenses)}", " ".join(words))


def _add_key(canvas: Canvas, defenses: Sequence[str]) -> None:
    """Which bar is whose: a swatch and a name each, in one line."""
    x, longest = 0.0, LONGEST
    while sum(width(shorten(defense, longest), LARGE) + 38 for defense in defenses) > WIDE and longest > 8:
        longest -= 1
    for number, defense in enumerate(defenses):
        label = shorten(defense, longest)
        _fill(canvas, (*canvas.point(x, HIGH - 16), *canvas.point(x + 14, HIGH - 4)), number)
        canvas.write(x + 20, HIGH - 14, label, size=LARGE, colour="ink")
        x += 20 + width(label, LARGE) + 18


def _add(canvas: Canvas, middle: float, thick: float, bar: Bar, number: int, group: str) -> None:
    left, right = middle - thick / 2, middle + thick / 2
    _fill(canvas, (left, 0, right, bar.rate), number, f"{bar.name}, {group}: {percent(bar.rate)}")
    canvas.axes.vlines([middle], bar.interval.low, bar.interval.high, color=colour("ink"), linewidth=1.4, zorder=5)
    if bar.seeds:
        step = thick * 0.7 / max(len(bar.seeds) - 1, 1)
        places = [middle - thick * 0.35 + step * seed for seed in range(len(bar.seeds))]
        canvas.axes.plot(
            *(places, bar.seeds),
            linestyle="none",
            marker="o",
            markersize=4,
            markerfacecolor=colour("card"),
            markeredgecolor=colour("ink"),
            markeredgewidth=1,
            zorder=6,
            clip_on=False,
        )
    _, top = canvas.pixel(middle, max(bar.interval.high, *bar.seeds, bar.rate))
    x, _ = canvas.pixel(middle, 0)
    canvas.write(x, top + 4, f"{100 * bar.rate:.0f}", size=SMALL, align="center", colour="ink")


def _fill(canvas: Canvas, box: tuple[float, float, float, float], number: int, hint: str = "") -> None:
    """A rectangle in the look of a defense: full, striped, hollow, or in rungs."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    face = colour(HUES[number]) if number == 0 else colour("card")
    patch = PathPatch(
        rectangle(*box), facecolor=face, edgecolor=colour(HUES[number]), linewidth=1.4, clip_on=False, zorder=3
    )
    canvas.axes.add_patch(patch)
    if hint:
        canvas.hint(patch, hint)
    lines = _stripes(canvas, box, slope=1.0 if number == 1 else 0.0) if number in (1, 3) else []
    if lines:
        path = Path.make_compound_path(*(Path([start, end]) for start, end in lines))
        canvas.axes.add_patch(PathPatch(path, edgecolor=colour(HUES[number]), linewidth=1, clip_on=False, zorder=3))


def _stripes(
    canvas: Canvas, box: tuple[float, float, float, float], slope: float, gap: float = 5.0
) -> list[tuple[tuple[float, float], tuple[float, float]]]:
    """Parallel lines across a rectangle, `gap` pixels apart, rising by `slope`.

    By hand, for matplotlib writes a hatch as a pattern that is filled by url(), which no panel may hold.
    """
    (left, bottom), (right, top) = canvas.pixel(box[0], box[1]), canvas.pixel(box[2], box[3])
    lines = []
    start = bottom - slope * (right - left) + gap
    while start < top:
        # y = start + slope * (x - left), cut to the rectangle
        x0 = left if start >= bottom else left + (bottom - start) / slope
        x1 = right if start + slope * (right - left) <= top else left + (top - start) / slope
        first, second = (canvas.point(x, start + slope * (x - left)) for x in (x0, x1))
        lines.append((first, second))
        start += gap
    return lines
