"""Writes the leaderboards as one HTML file that needs nothing but a browser: no host, no other file."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.analysis.boards import tables
from bench.analysis.boards.attack_ranking import AttackBoard, attack_boards, curve
from bench.analysis.boards.choice import distinct
from bench.analysis.boards.leaderboards import Leaderboard, leaderboards
from bench.analysis.boards.plugins import about_attack, about_defense
from bench.analysis.boards.table import Table
from bench.analysis.boards.tagging import tagged, tags_of
from bench.analysis.notation import NORMS
from bench.analysis.results.entries import read_entries
from bench.analysis.results.sightings import falls, sightings, traits
from bench.analysis.specs import differences
from bench.analysis.underway import Standing, standing
from bench.domain.text import visible
from bench.pages import markup
from bench.pages.commands import rerun
from bench.pages.export.text_tables import pieces
from bench.pages.figures.album import Album, album_maker
from bench.pages.references import Reference, references
from bench.plugins.settings import setting_text
from bench.protocols import Protocol

if TYPE_CHECKING:
    from bench.domain.defense import Published
    from bench.store.store import Store

TITLE = "Robustness leaderboards"
ASKED = {
    "about_attack": about_attack,
    "about_defense": about_defense,
    "assurances": tables.assurances,
    "certified": tables.certified,
    "column_assurances": tables.column_assurances,
    "certified_radii": tables.certified_radii,
    "curve": curve,
    "inf": math.inf,
    "differences": differences,
    "figure_of": tables.figure,
    "norms": NORMS,
    "falls": falls,
    "rerun": rerun,
    "sightings": sightings,
    "tags_of": tags_of,
    "traits": traits,
    "worst_of": tables.worst_of,
}
"""What the templates ask of boards, rows and results."""


@dataclass(frozen=True)
class View:
    """A leaderboard as the page shows it.

    `anchor` and `cards`, one a row, are the page's names for links to them; `pieces` is the table as JSON, for the
    script to sort, filter and put texts together. `album` holds its pictures.
    """

    board: Leaderboard
    title: str
    table: Table
    anchor: str
    cards: tuple[str, ...]
    pieces: str
    album: Album

    @property
    def tags(self) -> tuple[str, ...]:
        """What the plans behind its rows are tagged, each once."""
        return tags_of(result for row in self.board.rows for result in row.everything)

    @property
    def families(self) -> tuple[str, ...]:
        """The kinds of defenses that have rows here, each once."""
        kinds = {about_defense(row.defense.name).family for row in self.board.rows}
        return tuple(sorted(kinds - {""}))


def render(
    store: Store,
    output: Path,
    *,
    title: str = TITLE,
    protocols: Iterable[Protocol] | None = None,
    published: Iterable[Published] = (),
    pictures: bool = True,
    data_dir: Path | None = None,
    refresh: int | None = None,
    tags: Sequence[str] = (),
) -> Path:
    """Write the page of a store and return its path; equal stores give equal bytes. The file appears whole.

    `published` figures stand below the leaderboards, those of the store's data sets alone. `data_dir` is where the
    data sets lie whose images the `pictures` show. With `refresh` a browser reads the page again after so many
    seconds, and it says who is at work. With `tags` only plans that carry all of them are shown. What of the store
    cannot be read is named on the page. Missing folders are made.
    Raises `BenchError` where the file cannot be written.
    """
    entries = read_entries(store)
    boards = leaderboards(store, protocols, entries, tags)
    ranked = attack_boards(store, tagged(entries, tags))
    shown = references(published, (board.example.dataset.name for board in boards))
    draw = album_maker(store, data_dir, entries) if pictures else None
    working = standing(store) if refresh else None
    page = compose(boards, title, shown, draw, refresh, ranked, working, tuple(store.skipped.values()))
    return markup.write(page, output)


def compose(
    boards: tuple[Leaderboard, ...],
    title: str,
    published: tuple[Reference, ...] = (),
    draw: Callable[[Leaderboard, str], Album] | None = None,
    refresh: int | None = None,
    ranked: tuple[AttackBoard, ...] = (),
    working: Standing | None = None,
    left_out: Sequence[str] = (),
) -> str:
    """The page's text. Names, settings and remarks come from plugins, so every one of them is escaped.

    `left_out` are the sentences of plans that cannot be read.
    """
    results = [result for board in boards for row in board.rows for result in row.everything]
    return markup.compose(
        "page.html.j2",
        styles=("page.css", "figures.css"),
        scripts=("scripts/tools.js", "scripts/board.js", "scripts/page.js"),
        filters={"setting": setting_text},
        views=tuple(_views(boards, draw)),
        published=published,
        attack_boards=ranked,
        title=title,
        refresh=refresh,
        working=working,
        left_out=left_out,
        plans={result.plan.digest for result in results},
        defenses={row.defense.name for board in boards for row in board.rows},
        newest=max((result.finished for result in results), default=None),
        **ASKED,
    )


def _views(boards: Sequence[Leaderboard], draw: Callable[[Leaderboard, str], Album] | None) -> Iterator[View]:
    titles = tables.titles(boards)
    for board, title, name in zip(boards, titles, distinct(map(tables.slug, titles)), strict=True):
        table = tables.tabulate(board, name)
        yield View(
            board,
            title,
            table,
            f"board-{name}",
            # a slug has no two hyphens in a row, so no card is called like a board or like another board's card
            tuple(f"{name}--{card}" for card in distinct(tables.slug(row.defense.name) for row in board.rows)),
            _data(pieces(table)),
            draw(board, f"{name}--") if draw else Album(),
        )


def _data(value: object) -> str:
    """JSON for a script: not even a text with '</script>' ends the element that holds it, and no letter of it is one
    that an editor would obey."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    if text.isprintable():
        return text
    return "".join(each if visible(each) == each else f"\\u{ord(each):04x}" for each in text)
