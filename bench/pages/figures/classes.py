"""Which classes fall: accuracy by class, and what is taken for what under the strongest attack."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bench.pages.figures.drawing import Drawing, Reader, column_names, limited, named_rows, percent, picture, usable
from bench.pages.figures.sheet.canvas import NORMAL, SMALL, Canvas, colour, rectangle, sheet
from bench.pages.figures.sheet.labels import shorten, width

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bench.analysis.boards.leaderboards import Leaderboard

WIDE = 400.0
ROW = 20.0
DEFENSES, CLASSES, MATRICES = 12, 20, 3
"""So many defenses, classes and confusion matrices are drawn at most."""
LONGEST = 20
SHADES = 10
NARROWEST = 15.0
"""A cell has a number in it from so many pixels on."""


@dataclass(frozen=True)
class Cell:
    """A share in a column and a line, and how strongly it is shaded, from 0 to 1, in which hue."""

    column: int
    line: int
    share: float
    shade: float
    hue: str


def classes(board: Leaderboard, read: Reader, name: str, known: Sequence[str] = ()) -> Drawing | None:
    """Accuracy by class of the ranked defenses; `known` are the classes' names, whose numbers stand otherwise."""
    ranked = [(label, row, row.survival) for label, row in named_rows(board) if row.survival is not None]
    if not ranked:
        return None
    truth = read(next(filter(usable, ranked[0][1].found)).plan).label
    count = int(truth.max()) + 1
    rows = ranked[:DEFENSES]
    clean = np.array([_by_class(read(row.found[0].plan).clean_rate, truth, count) for _, row, _ in rows])
    worst = np.array([_by_class(survival, truth, count) for _, _, survival in rows])
    shown = _hardest(worst, CLASSES)
    words = _named(shown, known)
    called = [label for label, _, _ in rows]
    least = math.floor(float(np.nanmin(worst[:, shown])) * 10) / 10
    panels = (
        _table(f"{name}-0", "Clean images", called, words, clean[:, shown], least),
        _table(f"{name}-1", "Worst case", called, words, worst[:, shown], least),
    )
    caption = "Percent of each class's samples that are classified correctly, one defense a line."
    there = len(np.unique(truth))
    if len(shown) < there:
        caption += f" Of {there} classes the {len(shown)} hardest are drawn."
    return Drawing("Accuracy by class", caption + limited(len(rows), len(ranked)), panels)


def confusion(board: Leaderboard, read: Reader, name: str, known: Sequence[str] = ()) -> Drawing | None:
    """What the first defenses take each class for under the attack that leaves them the least; up to 20 classes."""
    panels: list[str] = []
    ranked = [(label, row) for label, row in named_rows(board) if any(map(usable, row.found))]
    for label, row in ranked[:MATRICES]:
        results = zip(column_names(board), row.results, strict=True)
        valid = [(attack, result) for attack, result in results if result is not None and usable(result)]
        attack, strongest = min(valid, key=lambda pair: pair[1].robust_accuracy)
        found = read(strongest.plan)
        count = int(max(found.label.max(), found.perturbed.max())) + 1
        if count > CLASSES or found.perturbed.min() < 0:
            return None
        shares = _confusion(found.label, found.perturbed, count)
        words = _named(range(count), known)
        panels.append(_matrix(f"{name}-{len(panels)}", label, f"under {attack}", words, shares))
    caption = (
        "Lines are the true classes, columns the predicted ones, numbers percent of a class; errors in the other hue. "
        "For each defense the attack is the one that leaves it the least."
    )
    return picture("What is taken for what", caption + limited(len(panels), len(ranked)), panels)


def _named(classes: Iterable[int], known: Sequence[str]) -> list[str]:
    """What classes are called, where that is known, or else their numbers."""
    return [known[at] if at < len(known) else str(at) for at in classes]


def _by_class(rates: NDArray[np.float64], truth: NDArray[np.int64], count: int) -> NDArray[np.float64]:
    """Mean rate by class (K,), NaN for a class without samples."""
    sizes = np.bincount(truth, minlength=count)
    means: NDArray[np.float64] = np.where(
        sizes > 0, np.bincount(truth, weights=rates, minlength=count) / np.maximum(sizes, 1), np.nan
    )
    return means


def _hardest(worst: NDArray[np.float64], most: int) -> list[int]:
    """The classes that have samples, in their order; of too many those with the lowest mean over the defenses."""
    there = [at for at in range(worst.shape[1]) if not np.isnan(worst[0, at])]
    return sorted(sorted(there, key=lambda at: (float(worst[:, at].mean()), at))[:most])


def _confusion(truth: NDArray[np.int64], predicted: NDArray[np.int64], count: int) -> NDArray[np.float64]:
    """Share (K, K) of each true class's predictions, all draws together; NaN for a class without samples."""
    pairs = np.bincount((truth[:, None] * count + predicted).ravel(), minlength=count * count).reshape(count, count)
    sums = pairs.sum(1, keepdims=True)
    shares: NDArray[np.float64] = np.where(sums > 0, pairs / np.maximum(sums, 1), np.nan)
    return shares


def _table(
    name: str, title: str, rows: Sequence[str], heads: Sequence[str], shares: NDArray[np.float64], least: float
) -> str:
    """Shares in lines and columns, the paler the nearer to `least`."""
    cells = shaded(shares, least)
    words = [
        f"{row}: " + ", ".join(f"{head} {percent(share)}" for head, share in zip(heads, shares[up], strict=True))
        for up, row in enumerate(rows)
    ]
    return draw_cells(name, (title, "", "class"), rows, heads, cells, ". ".join(words))


def shaded(shares: NDArray[np.float64], least: float) -> list[Cell]:
    """A cell for every share (lines, columns), the paler the nearer to `least`; none for NaN."""
    return [
        Cell(
            int(at),
            int(up),
            float(shares[up, at]),
            float(shares[up, at] - least) / (1 - least) if least < 1 else 1.0,
            "a0",
        )
        for up, at in np.argwhere(~np.isnan(shares))
    ]


def _matrix(name: str, title: str, note: str, words: Sequence[str], shares: NDArray[np.float64]) -> str:
    """True classes in lines, predicted ones in columns; errors are shaded by their share of the largest one."""
    places = [(at, up) for up in range(len(words)) for at in range(len(words)) if shares[up, at] > 0]
    errors = sorted(((float(shares[up, at]), up, at) for at, up in places if at != up), reverse=True)
    largest = errors[0][0] if errors else 1.0
    cells = [
        Cell(at, up, float(shares[up, at]), float(shares[up, at]), "a0")
        if at == up
        else Cell(at, up, float(shares[up, at]), float(shares[up, at]) / largest, "a1")
        for at, up in places
    ]
    told = ", ".join(f"{words[up]} for {words[at]} {percent(share)}" for share, up, at in errors[:8])
    return draw_cells(name, (title, note, "predicted"), words, words, cells, f"Most frequent errors: {told}.")


def draw_cells(
    name: str,
    heading: tuple[str, str, str],
    rows: Sequence[str],
    heads: Sequence[str],
    cells: Sequence[Cell],
    description: str,
) -> str:
    """A table of shaded cells with their percents."""
    title, note, across = heading
    named = [shorten(row, LONGEST) for row in rows]
    left = max(width(row, NORMAL) for row in named) + 10
    size = (WIDE - left - 2) / len(heads)
    high = ROW * len(rows)
    with sheet(WIDE, high + 66, (left, 22, 2, 44)) as canvas:
        canvas.bound((-0.5, len(heads) - 0.5), (len(rows) - 0.5, -0.5))
        letters = max(2, int(size / width("n", NORMAL)))
        canvas.grid((), dict(enumerate(named)), lines="")
        canvas.title(title, note)
        for at, head in enumerate(heads):
            x, _ = canvas.pixel(at, 0)
            canvas.write(x, high + 22 + 7, shorten(head, letters), align="center")
        canvas.write(WIDE - 2, 6, across, align="right")
        _shade(canvas, cells)
        for cell in cells:
            if size >= NARROWEST:
                x, y = canvas.pixel(cell.column, cell.line)
                canvas.write(x, y, f"{100 * cell.share:.0f}", size=SMALL, align="center", middle=True, colour="ink")
        return canvas.svg(name, f"{title} {note}".strip(), description)


def _shade(canvas: Canvas, cells: Sequence[Cell]) -> None:
    """All cells of about one share as one shape, so that a table of hundreds stays small."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    shades: dict[tuple[str, int], list[Path]] = {}
    for cell in cells:
        shape = rectangle(cell.column - 0.47, cell.line + 0.46, cell.column + 0.47, cell.line - 0.46, closed=True)
        shades.setdefault((cell.hue, round(cell.shade * SHADES)), []).append(shape)
    for (hue, shade), paths in sorted(shades.items(), key=lambda item: item[0]):
        strength = 0.06 + 0.5 * shade / SHADES
        path = Path.make_compound_path(*paths)
        canvas.axes.add_patch(PathPatch(path, facecolor=colour(hue), alpha=strength, linewidth=0, clip_on=False))
