"""A paper's experiments as data: what is trained, who meets which attack, what was published, what is claimed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Literal

from bench.protocols.protocol import Protocol

Cell = tuple[str, str]
"""A row's name and a column's."""
Relation = Literal["above", "below", "equal"]
CLEAN = "clean"
"""The name of the column of untouched images, which every study has."""


@dataclass(frozen=True)
class Adversarial:
    """The attack that makes a training's adversarial images."""

    attack: str
    epsilon: Fraction
    source: str
    params: Mapping[str, Any] = field(default_factory=dict)
    source_params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class StudyTraining:
    """Weights that a study makes: the defense, its settings and those of its recipe."""

    name: str
    defense: str
    params: Mapping[str, Any]
    recipe: Mapping[str, Any]
    seed: int
    adversarial: Adversarial | None = None

    def needs(self) -> tuple[str, ...]:
        """The names of the earlier trainings whose weights it is given."""
        made = self.adversarial
        settings = [self.params, self.recipe, {} if made is None else made.source_params]
        held = [value for each in settings for value in each.values()]
        return tuple(dict.fromkeys(value.training.name for value in held if isinstance(value, TrainedWeights)))


@dataclass(frozen=True)
class TrainedWeights:
    """A setting's value that is the weights of a training of the study."""

    training: StudyTraining


@dataclass(frozen=True)
class StudyRow:
    """A defense of the paper. `weights` names the training whose weights it has, by column; under `*` for all others;
    where none is named it has its own. With a `step` they are those after so many steps of the training."""

    name: str
    defense: str
    params: Mapping[str, Any] = field(default_factory=dict)
    weights: Mapping[str, str] = field(default_factory=dict)
    step: int | None = None

    def training(self, column: str) -> str | None:
        """The training whose weights meet a column."""
        return self.weights.get(column, self.weights.get("*"))


@dataclass(frozen=True)
class StudyColumn:
    """An attack of the paper; None for a budget, a source or a seed leaves it to the study, and then to the protocol.

    With a `radius` its figures are the share of samples whose label is certified at least so far, in pixels of [0, 1].
    With `mean_of` it is no attack, but each sample's mean over other columns. A column `of` another is that one on
    other samples: so many `samples`, drawn by `sample_seed`, or under another attack, by a `protocol` of its own; None
    leaves any to the study.
    """

    name: str
    attack: str
    params: Mapping[str, Any] = field(default_factory=dict)
    epsilon: Fraction | None = None
    source: str | None = None
    source_params: Mapping[str, Any] = field(default_factory=dict)
    seed: int | None = None
    radius: float | None = None
    mean_of: tuple[str, ...] = ()
    of: str | None = None
    samples: int | None = None
    sample_seed: int | None = None
    protocol: Protocol | None = None


@dataclass(frozen=True)
class StudyTable:
    """A table of the paper: rows and columns by name; with `cost` it says what a sample took."""

    title: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    cost: bool = False

    def cells(self) -> Iterator[Cell]:
        """Every cell, column by column."""
        for column in self.columns:
            for row in self.rows:
                yield row, column


@dataclass(frozen=True)
class StudySeries:
    """A row against its training's steps, under some columns: one row a step, which the series makes."""

    title: str
    row: str
    steps: tuple[int, ...]
    rows: tuple[str, ...]
    columns: tuple[str, ...]


@dataclass(frozen=True)
class StudyDraws:
    """Rows under some columns on samples that are drawn anew for each sample seed; `drawn` names by column the columns
    that it makes, in the order of the seeds. `printed` are the paper's own means, as shares."""

    title: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    sample_seeds: tuple[int, ...]
    drawn: Mapping[str, tuple[str, ...]]
    printed: Mapping[Cell, float] = field(default_factory=dict)

    def cells(self) -> Iterator[Cell]:
        """Every cell, column by column."""
        for column in self.columns:
            for name in self.drawn[column]:
                for row in self.rows:
                    yield row, name


@dataclass(frozen=True)
class AdaptiveAttack:
    """What some rows meet beside what is transferred to them under some columns: an attack that adapts itself to each
    of them. `columns` are those that it makes, one beside each."""

    rows: tuple[str, ...]
    columns: tuple[str, ...]

    def cells(self) -> Iterator[Cell]:
        """Every cell, column by column."""
        for column in self.columns:
            for row in self.rows:
                yield row, column


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


@dataclass(frozen=True)
class StudyHeading:
    """What a study says of itself, whatever the data set: where it can be reproduced, and at which scales."""

    name: str
    version: str
    title: str
    description: str
    datasets: tuple[str, ...]
    scales: tuple[str, ...]


@dataclass(frozen=True)
class Study:
    """A paper's experiments on one data set at one scale. `samples` None leaves their number to the protocol, `source`
    None what an attack sees. A setting of anything may be a `TrainedWeights`."""

    name: str
    version: str
    title: str
    description: str
    dataset: str
    scale: str
    protocol: Protocol
    samples: int | None
    trainings: tuple[StudyTraining, ...]
    rows: tuple[StudyRow, ...]
    columns: tuple[StudyColumn, ...]
    tables: tuple[StudyTable, ...]
    published: tuple[PublishedFigure, ...]
    claims: tuple[Claim, ...]
    discrepancies: tuple[Discrepancy, ...] = ()
    series: tuple[StudySeries, ...] = ()
    draws: tuple[StudyDraws, ...] = ()
    adaptive: tuple[AdaptiveAttack, ...] = ()
    source: str | None = None
    source_params: Mapping[str, Any] = field(default_factory=dict)

    def row(self, name: str) -> StudyRow:
        """The row of a name."""
        return next(row for row in self.rows if row.name == name)

    def column(self, name: str) -> StudyColumn:
        """The column of a name."""
        return next(column for column in self.columns if column.name == name)

    def training(self, cell: Cell) -> str | None:
        """The training whose weights a cell's row has there."""
        return self.row(cell[0]).training(self.column(cell[1]).of or cell[1])

    def drawn(self, title: str) -> StudyDraws:
        """The draws of a title."""
        return next(draws for draws in self.draws if draws.title == title)

    def cells(self) -> tuple[Cell, ...]:
        """Every cell that is shown in a table, a series or draws, or claimed of, each once."""
        tables = [cell for table in self.tables for cell in table.cells()]
        series = [(row, column) for each in self.series for column in each.columns for row in each.rows]
        draws = [cell for each in self.draws for cell in each.cells()]
        claims = [claim for claim in self.claims if claim.drawn is None]
        claimed = [cell for claim in claims for cell in (claim.cell, claim.other) if isinstance(cell, tuple)]
        return tuple(dict.fromkeys([*tables, *series, *draws, *claimed]))

    def evaluated(self) -> tuple[Cell, ...]:
        """Every cell that is a defense under an attack, each once, column by column, so that images are crafted when
        theirs begins: those that are shown, in place of means what they are the mean of, and the adaptive ones."""
        places = {column.name: place for place, column in enumerate(self.columns)}
        found = [(row, each) for row, column in self.cells() for each in self.column(column).mean_of or (column,)]
        found += [cell for each in self.adaptive for cell in each.cells()]
        return tuple(sorted(dict.fromkeys(found), key=lambda cell: places[cell[1]]))

    def figures(self, cell: Cell) -> tuple[PublishedFigure, ...]:
        """What the paper prints for a cell; several where it contradicts itself."""
        return tuple(found for found in self.published if (found.row, found.column) == cell)
