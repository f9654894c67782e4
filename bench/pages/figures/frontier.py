"""Clean against robust accuracy: who gives up what, and whom nobody beats in both."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.pages.figures.curves import ticks
from bench.pages.figures.drawing import Drawing, named_rows, percent
from bench.pages.figures.sheet.canvas import NORMAL, Canvas, colour, sheet
from bench.pages.figures.sheet.labels import Box, beside, shorten, width

if TYPE_CHECKING:
    from bench.analysis.boards.leaderboards import Leaderboard
    from bench.stats import Proportion

WIDE, HIGH = 400.0, 320.0
MARGINS = (30.0, 44.0, 12.0, 30.0)
LONGEST = 22
NAMED, CROSSED = 24, 24
"""So many points have names; with more points than that, only those of the front have crosses."""


@dataclass(frozen=True)
class Point:
    """One defense's clean accuracy and worst case; `best` where no other is at least as good in both."""

    name: str
    clean: Proportion
    worst: Proportion
    best: bool

    @property
    def text(self) -> str:
        """Both figures in words."""
        return f"{self.name}: clean {percent(self.clean.rate)}, worst case {percent(self.worst.rate)}"


def frontier(board: Leaderboard, name: str) -> Drawing | None:
    """A point for every ranked defense; None where there are fewer than two."""
    ranked = [(label, row.clean.mean, row.worst) for label, row in named_rows(board) if row.worst is not None]
    if len(ranked) < 2:
        return None
    points = [Point(*each, best=not any(_beats(other[1:], each[1:]) for other in ranked)) for each in ranked]
    front = " ".join(f"{point.text}." for point in _front(points))
    caption = (
        "Filled points on the dashed line are the Pareto front: no other defense is at least as good on clean images "
        "and in the worst case, and better in one. Crosses are 95 % intervals."
    )
    if len(points) > CROSSED:
        caption += " With so many defenses only the front has crosses, and names stand where there is room."
    panel = _draw(name, points, f"Clean accuracy against worst case of {len(points)} defenses", front)
    return Drawing("Clean against robust accuracy", caption, (panel,))


def _beats(one: Sequence[Proportion], other: Sequence[Proportion]) -> bool:
    ours, theirs = [share.rate for share in one], [share.rate for share in other]
    return ours != theirs and all(mine >= their for mine, their in zip(ours, theirs, strict=True))


def _front(points: Sequence[Point]) -> list[Point]:
    return sorted((point for point in points if point.best), key=lambda point: (point.clean.rate, point.name))


def _draw(name: str, points: Sequence[Point], title: str, description: str) -> str:
    with sheet(WIDE, HIGH, MARGINS) as canvas:
        across, up = (_limits([getattr(point, share) for point in points]) for share in ("clean", "worst"))
        canvas.bound(across, up)
        canvas.grid(*({at: f"{100 * at:g}" for at in ticks(*ends)} for ends in (across, up)))
        canvas.name_axes("clean, %", "worst case, %")
        _add_front(canvas, _front(points), across[0], up[0])
        for point in sorted(points, key=lambda point: point.best):  # the front last, above the others
            _add(canvas, point, crossed=point.best or len(points) <= CROSSED)
        _add_names(canvas, points)
        return canvas.svg(name, title, description)


def _limits(shares: Sequence[Proportion]) -> tuple[float, float]:
    """The whole tenths of a range (twentieths of a narrow one) around all intervals."""
    low, high = min(share.interval.low for share in shares), max(share.interval.high for share in shares)
    unit = 20 if high - low < 0.3 else 10
    low, high = max(0.0, math.floor(low * unit) / unit), min(1.0, math.ceil(high * unit) / unit)
    return (low, high) if high > low else (max(0.0, low - 1 / unit), min(1.0, high + 1 / unit))


def _add_front(canvas: Canvas, front: Sequence[Point], left: float, bottom: float) -> None:
    """The staircase below which everything is beaten."""
    x, y = [left], [front[0].worst.rate]
    for point, following in zip(front, [*front[1:], None], strict=True):
        x += [point.clean.rate, point.clean.rate]
        y += [point.worst.rate, bottom if following is None else following.worst.rate]
    canvas.axes.plot(x, y, color=colour("a0"), linewidth=1.2, dashes=(4, 3), alpha=0.8, zorder=2, clip_on=False)


def _add(canvas: Canvas, point: Point, *, crossed: bool) -> None:
    hue = colour("a0" if point.best else "soft")
    clean, worst = point.clean, point.worst
    if crossed:
        strength = {"color": hue, "linewidth": 1, "alpha": 0.55 if point.best else 0.3, "clip_on": False}
        canvas.axes.plot([clean.interval.low, clean.interval.high], [worst.rate, worst.rate], **strength)
        canvas.axes.plot([clean.rate, clean.rate], [worst.interval.low, worst.interval.high], **strength)
    (mark,) = canvas.axes.plot(
        *([clean.rate], [worst.rate]),
        linestyle="none",
        marker="D" if point.best else "o",
        markersize=7 if point.best else 6,
        markerfacecolor=hue if point.best else colour("card"),
        markeredgecolor=hue,
        markeredgewidth=1.5,
        zorder=4,
        clip_on=False,
    )
    canvas.hint(mark, point.text)


def _add_names(canvas: Canvas, points: Sequence[Point]) -> None:
    order = sorted(points, key=lambda point: not point.best)
    labels = [shorten(point.name, LONGEST) for point in order]
    places = [canvas.pixel(point.clean.rate, point.worst.rate) for point in order]
    frame = Box(MARGINS[0], MARGINS[1] - 8, WIDE, HIGH - MARGINS[3] + 8)
    boxes = beside(places, [(width(label, NORMAL), NORMAL + 2) for label in labels], frame)
    for point, label, (x, y), box in list(zip(order, labels, places, boxes, strict=True))[:NAMED]:
        if box is None:
            continue
        hue = "ink" if point.best else "soft"
        align = "left" if box.left > x else "right" if box.right < x else "center"
        anchor = {"left": box.left, "right": box.right, "center": (box.left + box.right) / 2}[align]
        middle = (box.bottom + box.top) / 2
        if max(box.left - x, x - box.right, box.bottom - y, y - box.top) > 8:
            canvas.leader((x, y), (min(max(x, box.left), box.right), min(max(y, box.bottom), box.top)), "soft")
        weight = "bold" if point.best else "normal"
        canvas.write(anchor, middle, label, colour=hue, align=align, middle=True, weight=weight)
