"""What a paper prints and claims of a study's cells, and where its text and its code differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, cast, get_args

from bench.domain.errors import UsageError
from bench.protocols.fields import Fields
from bench.protocols.studies.cells import Cell
from bench.protocols.studies.names import Names, must_be_known
from bench.protocols.studies.shown import StudyDraws

Relation = Literal["above", "below", "equal"]


@dataclass(frozen=True)
class PublishedFigure:
    """An accuracy, as a share, that the paper prints for a cell, and where."""

    row: str
    column: str
    rate: float
    place: str


@dataclass(frozen=True)
class Claim:
    """A sentence of the paper that a test can answer: the accuracy of a cell lies above or below another cell's, or
    that of a share; or is equal to it, to within a `margin`, a share too. With `drawn`, the title of draws, their means
    over all of these stand against each other."""

    text: str
    cell: Cell
    relation: Relation
    other: Cell | float
    margin: float = 0.0
    drawn: str | None = None


@dataclass(frozen=True)
class Discrepancy:
    """Where the paper's text and its released code say different things, and what bench does."""

    what: str
    paper: str
    code: str
    here: str


def figures_of(table: Fields, rows: Names, columns: Names) -> list[PublishedFigure]:
    """The printed figures of a row, under the columns that are there."""
    table.check(("row", "place", "percent"))
    row, place, percent = table.text("row"), table.text("place"), table.settings("percent")
    shares = {column: table.share(value) for column, value in percent.items()}
    if not rows.those([row], table):
        return []
    return [PublishedFigure(row, column, shares[column], place) for column in columns.those(percent, table)]


def claim_of(table: Fields, rows: Names, columns: Names, titles: Names, draws: Sequence[StudyDraws]) -> Claim | None:
    """None where one of its cells is not there on this data set and scale, or the draws that it is over."""
    table.check(("text", "cell", "relation", "other"), ("margin", "drawn"))
    relation = table.text("relation")
    if relation not in get_args(Relation):
        raise UsageError(f"{table.where}: relation must be 'above', 'below' or 'equal'; found {relation!r}.")
    if (relation == "equal") != ("margin" in table):
        raise UsageError(f"{table.where}: 'equal' needs a margin in points, and no other relation has one.")
    other = table.values["other"]
    cell = _cell(table, "cell", rows, columns)
    against = _cell(table, "other", rows, columns) if isinstance(other, list) else table.share(other)
    if cell is None or against is None:
        return None
    margin = table.share(table.values.get("margin", 0))
    drawn = table.text("drawn") if "drawn" in table else None
    if drawn is not None:
        over = next((each for each in draws if each.title == titles.check(drawn, table)), None)
        if over is None:
            return None
        for row, column in (each for each in (cell, against) if isinstance(each, tuple)):
            must_be_known(row, over.rows, f"{table.where} is over draws {drawn!r} without the row")
            must_be_known(column, over.columns, f"{table.where} is over draws {drawn!r} without the column")
    return Claim(table.text("text"), cell, cast(Relation, relation), against, margin, drawn)


def discrepancy_of(table: Fields) -> Discrepancy:
    """A discrepancy, all of it text."""
    keys = ("what", "paper", "code", "here")
    table.check(keys)
    return Discrepancy(*map(table.text, keys))


def _cell(table: Fields, key: str, rows: Names, columns: Names) -> Cell | None:
    names = table.names(key)
    if len(names) != 2:
        raise UsageError(f"{table.where}: {key} must be a row and a column; found {table.values[key]!r}.")
    row, column = names
    there = rows.those([row], table) and columns.those([column], table)
    return (row, column) if there else None
