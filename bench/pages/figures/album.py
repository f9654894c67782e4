"""All pictures of a leaderboard: those for which the store has data."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.domain.errors import BenchError
from bench.pages.exhibits import Gallery
from bench.pages.figures.bars import bars
from bench.pages.figures.budgets import budgets
from bench.pages.figures.classes import classes, confusion
from bench.pages.figures.corruptions import corruptions
from bench.pages.figures.drawing import Drawing, reader
from bench.pages.figures.frontier import frontier
from bench.pages.figures.gallery import LARGEST, Allowance, Exhibition, exhibition
from bench.pages.figures.settings import settings
from bench.pages.figures.thresholds import iterations, radii

if TYPE_CHECKING:
    from bench.analysis.boards.leaderboards import Leaderboard
    from bench.analysis.results.entries import Entry
    from bench.store.store import Store


@dataclass(frozen=True)
class Album:
    """A board's pictures, and samples with their images."""

    drawings: tuple[Drawing, ...] = ()
    exhibition: Exhibition | None = None


def album_maker(
    store: Store, folder: Path | None = None, entries: Iterable[Entry] = ()
) -> Callable[[Leaderboard, str], Album]:
    """What draws the pictures of any board of a store; all ids in them begin with the name that it is given.

    `folder` is where the user keeps the data (`--data-dir`), `entries` are those that are read already. Where images
    or class names cannot be had, what needs them says so or does without.
    """
    read, gallery, allowance = reader(store, entries), Gallery(store, folder, LARGEST), Allowance()

    def make(board: Leaderboard, name: str) -> Album:
        known = _class_names(board, gallery)
        found = (
            frontier(board, f"{name}-frontier"),
            bars(board, f"{name}-bars"),
            budgets(board, read, f"{name}-budgets"),
            radii(board, read, f"{name}-radii"),
            corruptions(board, f"{name}-corruptions"),
            settings(board, f"{name}-settings"),
            iterations(board, read, f"{name}-iterations"),
            classes(board, read, f"{name}-classes", known),
            confusion(board, read, f"{name}-confusion", known),
        )
        drawings = tuple(drawing for drawing in found if drawing is not None)
        return Album(drawings, exhibition(board, read, gallery, allowance))

    return make


def _class_names(board: Leaderboard, gallery: Gallery) -> Sequence[str]:
    """The names of the data set's classes; none where it cannot be read, whose numbers stand instead."""
    try:
        return gallery.classes(board.example)
    except BenchError:
        return ()
