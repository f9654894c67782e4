"""What a study shows: tables, and series, draws and adaptive attacks, which make rows and columns beside the named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from bench.domain.errors import UsageError
from bench.protocols.fields import Fields
from bench.protocols.reader import WHITE_BOX, find_protocol
from bench.protocols.studies.cells import Cell, StudyColumn, StudyRow
from bench.protocols.studies.names import Names, must_be_known


@dataclass(frozen=True)
class StudyTable:
    """A table of the paper: rows and columns by name; with `cost` it says what a sample took."""

    title: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    cost: bool = False

    def cells(self) -> list[Cell]:
        """Every cell, column by column."""
        return grid(self.rows, self.columns)


@dataclass(frozen=True)
class StudySeries:
    """A row against its training's steps, under some columns: one row a step, which the series makes."""

    title: str
    row: str
    steps: tuple[int, ...]
    rows: tuple[str, ...]
    columns: tuple[str, ...]

    def cells(self) -> list[Cell]:
        """Every cell, column by column."""
        return grid(self.rows, self.columns)


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

    def cells(self) -> list[Cell]:
        """Every cell, column by column."""
        return grid(self.rows, [name for column in self.columns for name in self.drawn[column]])


@dataclass(frozen=True)
class AdaptiveAttack:
    """What some rows meet beside what is transferred to them under some columns: an attack that adapts itself to each
    of them. `columns` are those that it makes, one beside each."""

    rows: tuple[str, ...]
    columns: tuple[str, ...]

    def cells(self) -> list[Cell]:
        """Every cell, column by column."""
        return grid(self.rows, self.columns)


def grid(rows: Sequence[str], columns: Sequence[str]) -> list[Cell]:
    """The cells of some rows under some columns, column by column."""
    return [(row, column) for column in columns for row in rows]


def table_of(table: Fields, rows: Names, columns: Names) -> StudyTable:
    """A table, of its rows and columns those that are there."""
    table.check(("title", "rows", "columns"), ("cost",))
    return StudyTable(
        table.text("title"), rows.listed(table, "rows"), columns.listed(table, "columns"), table.flag("cost")
    )


def series_of(
    table: Fields, rows: tuple[StudyRow, ...], row_names: Names, columns: Names
) -> tuple[StudySeries, tuple[StudyRow, ...]]:
    """A series and the rows that it makes; none where its row is not there on this data set and scale."""
    table.check(("title", "row", "steps", "columns"))
    steps = table.whole_numbers("steps")
    name, chosen = table.text("row"), columns.listed(table, "columns")
    there = [row for row in rows if row.name in row_names.those([name], table)]
    for row in there:
        if not all(row.training(column) for column in chosen):
            raise UsageError(f"{table.where}: the row {name!r} needs weights of a training under every column.")
    made = tuple(replace(row, name=f"{name}, step {step}", step=step) for row in there for step in steps)
    return StudySeries(table.text("title"), name, steps, tuple(row.name for row in made), chosen), made


def draws_of(
    table: Fields, columns: Mapping[str, StudyColumn], row_names: Names, column_names: Names
) -> tuple[StudyDraws, tuple[StudyColumn, ...]]:
    """Draws and the columns that they make, from the study's columns by name."""
    table.check(("title", "rows", "columns", "sample_seeds"), ("samples", "percent"))
    seeds = table.whole_numbers("sample_seeds")
    if len(set(seeds)) < 2 or len(set(seeds)) < len(seeds):
        raise UsageError(f"{table.where}: sample_seeds must be at least two, each once; found {list(seeds)!r}.")
    samples, which = table.count("samples", 1), _which(table)
    rows, chosen = row_names.listed(table, "rows"), column_names.listed(table, "columns")
    made = {
        each.name: [
            replace(each, name=f"{each.name}, samples of seed {seed}{which}", of=each.name, sample_seed=seed)
            for seed in seeds
        ]
        for each in (replace(columns[name], samples=samples) for name in chosen)
    }
    drawn = {name: tuple(each.name for each in found) for name, found in made.items()}
    percent = table.within("percent")
    printed = {
        (row, column): table.share(value)
        for row in row_names.those(percent.values, table)
        for column, value in percent.settings(row).items()
        if column_names.those([column], table)
    }
    draws = StudyDraws(table.text("title"), rows, chosen, seeds, drawn, printed)
    return draws, tuple(each for found in made.values() for each in found)


def adaptive_of(table: Fields, row_names: Names, column_names: Names) -> tuple[AdaptiveAttack, tuple[StudyColumn, ...]]:
    """An adaptive attack and the columns that it makes. Raises `UsageError` where its protocol has no such attack."""
    table.check(("attack", "protocol", "epsilon", "rows", "columns"), ("samples",))
    attack, protocol = table.text("attack"), find_protocol(table.text("protocol"))
    must_be_known(attack, [each.name for each in protocol.attacks], f"{table.where}: {protocol.name} has no attack")
    rows, beside = row_names.listed(table, "rows"), column_names.listed(table, "columns")
    samples = table.count("samples", 1)
    made = StudyColumn("", attack, epsilon=table.epsilon(), source=WHITE_BOX, samples=samples, protocol=protocol)
    columns = tuple(replace(made, name=f"{name}, {attack}{_which(table)}", of=name) for name in beside)
    return AdaptiveAttack(rows, tuple(column.name for column in columns)), columns


def _which(table: Fields) -> str:
    """What tells the columns that a table makes from those of another table of its kind."""
    number = table.place.rpartition(" ")[2]
    return "" if number in ("", "1") else f" ({number})"
