"""Writes comparisons as one HTML file that needs nothing but a browser: no host, no script, no other file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.analysis.comparisons.comparison import Comparison, Duel
from bench.analysis.comparisons.contrasts import Contrast
from bench.domain.errors import BenchError
from bench.pages import markup
from bench.pages.disputes import Dispute, a_side, disputes
from bench.pages.exhibits import Gallery
from bench.pages.forest import Forest, plant, shorten


@dataclass(frozen=True)
class Exhibition:
    """What either side loses alone under one attack."""

    contrast: Contrast
    disputes: tuple[Dispute, ...]


@dataclass(frozen=True)
class DuelView:
    """A duel as the page shows it; `reasons` say which images are not shown and why."""

    duel: Duel
    forest: Forest | None
    exhibitions: tuple[Exhibition, ...]
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Standing:
    """A side against another: their main contrast, `sign` -1 where it is told from the other side, the `number` of the
    duel on the page, and whether it rests on evidence of different strength."""

    contrast: Contrast
    sign: int
    number: int
    doubtful: bool


@dataclass(frozen=True)
class View:
    """A comparison as the page shows it: all duels, and for more than two sides a grid of their main measure.

    `most` is the number of samples shown of each dispute.
    """

    comparison: Comparison
    duels: tuple[DuelView, ...]
    most: int
    grid: tuple[tuple[Standing | None, ...], ...]


def render(comparisons: Sequence[Comparison], gallery: Gallery, output: Path) -> Path:
    """Write the page, whole, and return its path; equal stores give equal bytes. Missing folders are made.

    Images that the gallery cannot show are left out, and the page says why. Raises `BenchError` where the file cannot
    be written.
    """
    return markup.write(compose(comparisons, gallery), output)


def compose(comparisons: Sequence[Comparison], gallery: Gallery) -> str:
    """The page's text. Names, settings and labels come from plugins and data sets, so every one of them is escaped."""
    return markup.compose(
        "compare/page.html.j2",
        styles=("page.css", "compare/page.css"),
        views=[_view(comparison, gallery) for comparison in comparisons],
        shorten=shorten,
    )


def _view(comparison: Comparison, gallery: Gallery) -> View:
    most = a_side(comparison)
    return View(comparison, tuple(_duel(duel, gallery, most) for duel in comparison.duels), most, _grid(comparison))


def _duel(duel: Duel, gallery: Gallery, most: int) -> DuelView:
    exhibitions, reasons = [], []
    for contrast in duel.contrasts if most else ():
        if contrast.kind == "attack" and (contrast.only_first or contrast.only_second):
            try:
                exhibitions.append(Exhibition(contrast, disputes(duel, contrast, gallery, most)))
            except BenchError as error:
                reasons.append(str(error))
    forest = plant(duel.contrasts) if duel.contrasts else None
    return DuelView(duel, forest, tuple(exhibitions), tuple(dict.fromkeys(reasons)))


def _grid(comparison: Comparison) -> tuple[tuple[Standing | None, ...], ...]:
    """By sides, row against column, how they stand in the worst case, or under the one attack that there is.

    Empty for two sides.
    """
    sides = comparison.match.sides
    if len(sides) < 3:
        return ()
    found: dict[tuple[str, str], Standing] = {}
    for number, duel in enumerate(comparison.duels, 1):
        for sign, row, column in ((1, duel.first, duel.second), (-1, duel.second, duel.first)):
            if duel.contrasts:
                found[row.label, column.label] = Standing(duel.contrasts[-1], sign, number, bool(duel.unequal))
    return tuple(tuple(found.get((row.label, column.label)) for column in sides) for row in sides)
