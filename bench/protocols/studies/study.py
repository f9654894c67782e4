"""A paper's experiments as data: what is trained, who meets which attack, what was published, what is claimed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bench.protocols.protocol import Protocol
from bench.protocols.studies.cells import Cell, StudyColumn, StudyRow
from bench.protocols.studies.claims import Claim, Discrepancy, PublishedFigure
from bench.protocols.studies.shown import AdaptiveAttack, StudyDraws, StudySeries, StudyTable
from bench.protocols.studies.trainings import StudyTraining


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
        parts: tuple[StudyTable | StudySeries | StudyDraws, ...] = (*self.tables, *self.series, *self.draws)
        shown = [cell for each in parts for cell in each.cells()]
        claims = [claim for claim in self.claims if claim.drawn is None]
        claimed = [cell for claim in claims for cell in (claim.cell, claim.other) if isinstance(cell, tuple)]
        return tuple(dict.fromkeys([*shown, *claimed]))

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
