"""Curves of several defenses in one panel: each with its own hue, dash, mark and name at its end."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.pages.figures.drawing import percent
from bench.pages.figures.sheet.canvas import DASHES, HUES, MARKS, NORMAL, QUARTERS, Canvas, colour, sheet
from bench.pages.figures.sheet.labels import shorten, spread, width
from bench.stats import wilson

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bench.stats import Interval, Proportion

WIDE, HIGH = 400.0, 290.0
LEFT, BOTTOM, TOP = 30.0, 44.0, 54.0
SAMPLE, LINE = 26.0, 15.0
"""In a key: the length of a piece of a line, and the height of a name."""
LONGEST = 20
POINTS = 72
"""At so many places a curve over continuous values is read."""
MOST = len(HUES)
"""So many curves can be told apart in one panel."""


@dataclass(frozen=True)
class Curve:
    """Shares `y` with their intervals from `low` to `high` at `x`; `measured` where every point is a result of its own
    and not a reading of one and the same."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]
    measured: bool


def measured(name: str, points: Iterable[tuple[float, Proportion]]) -> Curve:
    """A curve of shares, each a result of its own, at their places in order."""
    places, shares = zip(*points, strict=True)
    return _curve(name, places, [share.rate for share in shares], [share.interval for share in shares], measured=True)


def survival(limits: NDArray[np.float64], places: NDArray[np.float64], name: str) -> Curve:
    """The share of samples whose limit is above each of the places, with its Wilson interval there."""
    counts = [int((limits > place).sum()) for place in places]
    return counted(name, places.tolist(), counts, len(limits))


def counted(name: str, x: Sequence[float], counts: Sequence[int], n: int) -> Curve:
    """A curve of counts out of the same n samples."""
    return _curve(name, x, [count / n for count in counts], [wilson(count, n) for count in counts], measured=False)


def _curve(name: str, x: Sequence[float], y: Sequence[float], around: Sequence[Interval], *, measured: bool) -> Curve:
    return Curve(name, x, y, [each.low for each in around], [each.high for each in around], measured)


def ticks(low: float, high: float, *, whole: bool = False) -> list[float]:
    """Round values from `low` to `high`, about five, of which all may have to be `whole` numbers.

    By hand, for `MaxNLocator` takes a coarser step where neither end is nought: from 0.2 to 0.3 three marks, not six.
    """
    if high <= low:
        return [low]
    rough = (high - low) / 5
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(unit * factor for factor in (1, 2, 5, 10) if unit * factor >= rough * 0.999)
    step = max(step, 1.0) if whole else step
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(number * step, 12) for number in range(first, last + 1)]


def draw(
    name: str,
    curves: Sequence[Curve],
    title: str,
    note: str,
    along: str,
    up: str = "correct, %",
    *,
    logarithmic: bool = False,
) -> str:
    """The panel of at most `MOST` curves, as SVG; `along` and `up` say what the axes hold."""
    labels = [shorten(curve.name, LONGEST) for curve in curves]
    widest = max(width(label, NORMAL) for label in labels)
    lowest, highest = min(curve.x[0] for curve in curves), max(curve.x[-1] for curve in curves)
    inside = _bunch(curves) and _leave_room(curves, (WIDE - widest - SAMPLE - 16 - LEFT) / (WIDE - LEFT))
    right = 12.0 if inside else widest + 32
    with sheet(WIDE, HIGH, (LEFT, BOTTOM, right, TOP)) as canvas:
        if logarithmic:
            canvas.axes.set_xscale("log")
        canvas.bound((lowest, highest), (0, 1))
        values = sorted({value for curve in curves for value in curve.x})
        whole = all(float(value).is_integer() for value in values)
        marks = _apart(canvas, values) if logarithmic else ticks(lowest, highest, whole=whole)
        canvas.grid(marks, QUARTERS, lines="y")
        canvas.title(title, note)
        canvas.name_axes(along, up)
        for number, curve in enumerate(curves):
            _add(canvas, curve, number)
        if inside:
            _add_key(canvas, labels, WIDE - right - widest)
        else:
            _name_ends(canvas, curves, labels, right)
        about = f"{title}{note and f', {note}'}: {up} against {along}"
        return canvas.svg(name, about, " ".join(map(_in_words, curves)))


def _bunch(curves: Sequence[Curve]) -> bool:
    """Whether the curves end too near to each other for names at their ends."""
    ends = sorted(curve.y[-1] for curve in curves)
    return len(ends) > 1 and ends[-1] - ends[0] < 0.05 * (len(ends) - 1)


def _leave_room(curves: Sequence[Curve], start: float) -> bool:
    """Whether the upper right corner, from this share of the width on, is free for a key of so many lines."""
    bottom = 1 - (len(curves) * LINE + 8) / (HIGH - TOP - BOTTOM)
    first, last = min(curve.x[0] for curve in curves), max(curve.x[-1] for curve in curves)
    place = first + start * (last - first)
    return all(high < bottom for curve in curves for x, high in zip(curve.x, curve.high, strict=True) if x >= place)


def _add_key(canvas: Canvas, labels: Sequence[str], left: float) -> None:
    """The curves' names in the upper right corner, each behind a piece of its line."""
    for number, label in enumerate(labels):
        y = HIGH - TOP - LINE * (number + 0.5)
        ends = [(left - SAMPLE - 6, y), (left - SAMPLE / 2 - 6, y), (left - 6, y)]
        canvas.line(ends, **_look(number), marker=MARKS[number], markevery=[1])
        canvas.write(left, y, label, colour="ink", middle=True)


def _look(number: int) -> dict[str, Any]:
    """How a curve is drawn, in matplotlib's words."""
    look: dict[str, Any] = {
        **{"color": colour(HUES[number]), "linewidth": 1.8, "markersize": 6.5},
        **{"markeredgecolor": colour("card"), "markeredgewidth": 0.8},
    }
    return {**look, "dashes": DASHES[number]} if DASHES[number] else look


def _apart(canvas: Canvas, values: Sequence[float], least: float = 28.0) -> list[float]:
    """Of values in order the last, and before it those that leave room for the letters of the following one."""
    kept = [values[-1]]
    for value in reversed(values):
        if canvas.pixel(kept[0], 0)[0] - canvas.pixel(value, 0)[0] >= least:
            kept.insert(0, value)
    return kept


def _add(canvas: Canvas, curve: Curve, number: int) -> None:
    hue = colour(HUES[number])
    if curve.measured:
        canvas.axes.vlines(curve.x, curve.low, curve.high, color=hue, linewidth=1.2, alpha=0.7, clip_on=False)
        every: object = 1
    else:
        canvas.axes.fill_between(curve.x, curve.low, curve.high, color=hue, alpha=0.13, linewidth=0, clip_on=False)
        apart = max(1, len(curve.x) // 6)
        every = (number * apart // MOST, apart)
    look = {**_look(number), "marker": MARKS[number], "markevery": every}
    (line,) = canvas.axes.plot(curve.x, curve.y, **look, clip_on=False, zorder=3)
    canvas.hint(line, f"{curve.name}: {_in_words(curve)}")


def _name_ends(canvas: Canvas, curves: Sequence[Curve], labels: Sequence[str], right: float) -> None:
    ends = [canvas.pixel(curve.x[-1], curve.y[-1]) for curve in curves]
    heights = spread([height for _, height in ends], NORMAL + 3, BOTTOM, HIGH - TOP)
    start = WIDE - right + 18
    for number, (label, (x, y), height) in enumerate(zip(labels, ends, heights, strict=True)):
        if abs(height - y) > 3 or start - x > 20:
            canvas.leader((x + 5, y), (start - 3, height), HUES[number])
        canvas.line([(start + 3, height)], **_look(number), marker=MARKS[number])
        canvas.write(start + 10, height, label, colour="ink", middle=True)


def _in_words(curve: Curve) -> str:
    """The curve as a sentence: its points, or about six of them."""
    step = 1 if curve.measured else max(1, (len(curve.x) - 1) // 6)
    points = [f"{percent(curve.y[at])} at {curve.x[at]:.3g}" for at in range(0, len(curve.x), step)]
    return f"{curve.name}: {', '.join(points)}."
