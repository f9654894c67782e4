"""The parts of a study, each out of a table of its file, checked value by value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, cast, get_args

from bench.domain.errors import UsageError
from bench.protocols.fields import Fields
from bench.protocols.reader import WHITE_BOX, find_protocol
from bench.protocols.studies.study import (
    CLEAN,
    AdaptiveAttack,
    Adversarial,
    Cell,
    Claim,
    Discrepancy,
    PublishedFigure,
    Relation,
    StudyColumn,
    StudyDraws,
    StudyRow,
    StudySeries,
    StudyTable,
    StudyTraining,
    TrainedWeights,
)

SOURCE = ("source", "source_params")


@dataclass(frozen=True)
class Names:
    """What rows or columns a study names, and which of them are there on this data set and scale."""

    kind: str
    known: tuple[str, ...]
    present: tuple[str, ...]

    def check(self, name: str, table: Fields) -> str:
        """The same name. Raises `UsageError` where the study has no such row or column at all."""
        listed(name, self.known, f"{table.where} names a {self.kind} that is not there:")
        return name

    def those(self, names: Iterable[str], table: Fields) -> tuple[str, ...]:
        """Those of the names that are there."""
        return tuple(name for name in names if self.check(name, table) in self.present)


Trainings = Mapping[str, StudyTraining | None]
"""The trainings of a study by name; None for one that is left out on this data set or scale."""


def trainings_of(tables: Iterable[Fields], left_out: Iterable[str]) -> dict[str, StudyTraining | None]:
    """The trainings, in their order; each may be given the weights of earlier ones."""
    found: dict[str, StudyTraining | None] = dict.fromkeys(left_out)
    for table in tables:
        training = _training(table, found)
        found[training.name] = training
    return found


def _training(table: Fields, earlier: Trainings) -> StudyTraining:
    table.check(("name", "defense", "params", "recipe", "seed", "adversarial"), ("name", "defense"))
    return StudyTraining(
        name=table.text("name"),
        defense=table.text("defense"),
        params=settings_of(table, "params", earlier),
        recipe=settings_of(table, "recipe", earlier),
        seed=table.number("seed", 0) if "seed" in table else 0,
        adversarial=_adversarial(Fields(table.settings("adversarial"), table.path, table.place), earlier),
    )


def _adversarial(table: Fields, earlier: Trainings) -> Adversarial | None:
    if not table.values:
        return None
    table.check(("attack", "epsilon", "params", *SOURCE), ("attack", "epsilon", "source"))
    epsilon = cast(Fraction, table.epsilon())  # which was checked to be there
    source, source_params = source_of(table, earlier)
    return Adversarial(table.text("attack"), epsilon, source or "", table.settings(), source_params)


def source_of(table: Fields, trainings: Trainings) -> tuple[str | None, Mapping[str, Any]]:
    """What an attack sees, where the table says it, and its settings."""
    if "source" not in table and "source_params" in table:
        raise UsageError(f"{table.where} has source_params but no source; name the source as well.")
    return (table.text("source") if "source" in table else None), settings_of(table, "source_params", trainings)


def settings_of(table: Fields, key: str, trainings: Trainings) -> dict[str, Any]:
    """A table of settings, in which `{ trained = "NAME" }` stands for the weights of a training. Where that is left out
    on this data set or scale, so is the setting."""
    found: dict[str, Any] = {}
    for name, value in table.settings(key).items():
        if isinstance(value, dict) and list(value) == ["trained"]:
            wanted = str(value["trained"])
            listed(wanted, trainings, f"{table.where}: {key} asks for weights that no earlier [[train]] makes:")
            training = trainings[wanted]
            if training is not None:
                found[name] = TrainedWeights(training)
        else:
            found[name] = value
    return found


def row_of(table: Fields, columns: Names, trainings: Trainings) -> StudyRow:
    table.check(("name", "defense", "params", "weights"), ("name", "defense"))
    given = table.values.get("weights", {})
    weights = {"*": given} if isinstance(given, str) else table.settings("weights")
    for column, training in weights.items():
        if column != "*":
            columns.check(column, table)
        here = [name for name, made in trainings.items() if made is not None]
        listed(training, here, f"{table.where} has weights that no [[train]] makes:")
    return StudyRow(table.text("name"), table.text("defense"), settings_of(table, "params", trainings), weights)


def column_of(table: Fields, known: tuple[str, ...], trainings: Trainings) -> StudyColumn:
    if "mean_of" in table:
        table.check(("name", "mean_of"), ("name", "mean_of"))
        names = names_of(table, "mean_of")
        for name in names:
            listed(name, known, f"{table.where} is the mean of a column that is not there:")
        return StudyColumn(table.text("name"), "none", mean_of=names)
    table.check(("name", "attack", "params", "epsilon", "seed", "radius", *SOURCE), ("name", "attack"))
    source, source_params = source_of(table, trainings)
    radius = table.values.get("radius")
    if radius is not None and (isinstance(radius, bool) or not isinstance(radius, int | float) or radius < 0):
        raise UsageError(f"{table.where}: a radius is a number of at least 0; found {radius!r}.")
    seed = table.number("seed", 0) if "seed" in table else None
    made = StudyColumn(
        name=table.text("name"),
        attack=table.text("attack"),
        params=table.settings(),
        epsilon=table.epsilon(),
        source=source,
        source_params=source_params,
        seed=seed,
    )
    return made if radius is None else replace(made, radius=float(radius))


def table_of(table: Fields, rows: Names, columns: Names) -> StudyTable:
    table.check(("title", "rows", "columns", "cost"), ("title", "rows", "columns"))
    chosen = rows.those(names_of(table, "rows"), table), columns.those(names_of(table, "columns"), table)
    return StudyTable(table.text("title"), *chosen, table.flag("cost"))


def series_of(
    table: Fields, rows: tuple[StudyRow, ...], row_names: Names, columns: Names
) -> tuple[StudySeries, tuple[StudyRow, ...]]:
    """A series and the rows that it makes; none where its row is not there on this data set and scale."""
    table.check(("title", "row", "steps", "columns"), ("title", "row", "steps", "columns"))
    steps = whole_numbers("steps", table)
    name, chosen = table.text("row"), columns.those(names_of(table, "columns"), table)
    there = [row for row in rows if row.name in row_names.those([name], table)]
    for row in there:
        if not all(row.training(column) for column in chosen):
            raise UsageError(f"{table.where}: the row {name!r} needs weights of a training under every column.")
    made = tuple(replace(row, name=f"{name}, step {step}", step=step) for row in there for step in steps)
    return StudySeries(table.text("title"), name, steps, tuple(row.name for row in made), chosen), made


def figures_of(table: Fields, rows: Names, columns: Names) -> list[PublishedFigure]:
    table.check(("row", "place", "percent"), ("row", "place", "percent"))
    row, place, percent = table.text("row"), table.text("place"), table.settings("percent")
    shares = {column: _share(value, table) for column, value in percent.items()}
    if not rows.those([row], table):
        return []
    return [PublishedFigure(row, column, shares[column], place) for column in columns.those(percent, table)]


def draws_of(
    table: Fields, columns: tuple[StudyColumn, ...], row_names: Names, column_names: Names
) -> tuple[StudyDraws, tuple[StudyColumn, ...]]:
    """Draws and the columns that they make."""
    needed = ("title", "rows", "columns", "sample_seeds")
    table.check((*needed, "samples", "percent"), needed)
    seeds = whole_numbers("sample_seeds", table)
    if len(set(seeds)) < 2 or len(set(seeds)) < len(seeds):
        raise UsageError(f"{table.where}: sample_seeds must be at least two, each once; found {list(seeds)!r}.")
    samples = table.number("samples", 1) if "samples" in table else None
    rows = row_names.those(names_of(table, "rows"), table)
    chosen = column_names.those(names_of(table, "columns"), table)
    named = {each.name: each for each in columns}
    made = {name: _redrawn(named[name], seeds, samples, _which(table)) for name in chosen}
    drawn = {name: tuple(each.name for each in found) for name, found in made.items()}
    percent = Fields(table.settings("percent"), table.path, table.place)
    printed = {
        (row, column): _share(value, table)
        for row in row_names.those(percent.values, table)
        for column, value in percent.settings(row).items()
        if column_names.those([column], table)
    }
    draws = StudyDraws(table.text("title"), rows, chosen, seeds, drawn, printed)
    return draws, tuple(each for found in made.values() for each in found)


def _redrawn(column: StudyColumn, seeds: tuple[int, ...], samples: int | None, which: str) -> tuple[StudyColumn, ...]:
    made = replace(column, of=column.name, samples=samples)
    return tuple(
        replace(made, name=f"{column.name}, samples of seed {seed}{which}", sample_seed=seed) for seed in seeds
    )


def adaptive_of(table: Fields, row_names: Names, column_names: Names) -> tuple[AdaptiveAttack, tuple[StudyColumn, ...]]:
    """An adaptive attack and the columns that it makes. Raises `UsageError` where its protocol has no such attack."""
    needed = ("attack", "protocol", "epsilon", "rows", "columns")
    table.check((*needed, "samples"), needed)
    attack, protocol = table.text("attack"), find_protocol(table.text("protocol"))
    listed(attack, [each.name for each in protocol.attacks], f"{table.where}: {protocol.name} has no attack")
    rows = row_names.those(names_of(table, "rows"), table)
    beside = column_names.those(names_of(table, "columns"), table)
    samples = table.number("samples", 1) if "samples" in table else None
    made = StudyColumn("", attack, epsilon=table.epsilon(), source=WHITE_BOX, samples=samples, protocol=protocol)
    columns = tuple(replace(made, name=f"{name}, {attack}{_which(table)}", of=name) for name in beside)
    return AdaptiveAttack(rows, tuple(column.name for column in columns)), columns


def _which(table: Fields) -> str:
    """What tells the columns that a table makes from those of another table of its kind."""
    number = table.place.rpartition(" ")[2]
    return "" if number in ("", "1") else f" ({number})"


def claim_of(table: Fields, rows: Names, columns: Names, titles: Names, draws: Sequence[StudyDraws]) -> Claim | None:
    """None where one of its cells is not there on this data set and scale, or the draws that it is over."""
    needed = ("text", "cell", "relation", "other")
    table.check((*needed, "margin", "drawn"), needed)
    relation = table.text("relation")
    if relation not in get_args(Relation):
        raise UsageError(f"{table.where}: relation must be 'above', 'below' or 'equal'; found {relation!r}.")
    if (relation == "equal") != ("margin" in table):
        raise UsageError(f"{table.where}: 'equal' needs a margin in points, and no other relation has one.")
    other = table.values["other"]
    cell = _cell(table, "cell", rows, columns)
    against = _cell(table, "other", rows, columns) if isinstance(other, list) else _share(other, table)
    if cell is None or against is None:
        return None
    margin = _share(table.values.get("margin", 0), table)
    drawn = table.text("drawn") if "drawn" in table else None
    if drawn is not None:
        over = next((each for each in draws if each.title == titles.check(drawn, table)), None)
        if over is None:
            return None
        for row, column in (each for each in (cell, against) if isinstance(each, tuple)):
            listed(row, over.rows, f"{table.where} is over draws {drawn!r} without the row")
            listed(column, over.columns, f"{table.where} is over draws {drawn!r} without the column")
    return Claim(table.text("text"), cell, cast(Relation, relation), against, margin, drawn)


def discrepancy_of(table: Fields) -> Discrepancy:
    keys = ("what", "paper", "code", "here")
    table.check(keys, keys)
    return Discrepancy(*map(table.text, keys))


def _cell(table: Fields, key: str, rows: Names, columns: Names) -> Cell | None:
    names = names_of(table, key)
    if len(names) != 2:
        raise UsageError(f"{table.where}: {key} must be a row and a column; found {table.values[key]!r}.")
    row, column = names
    there = rows.those([row], table) and columns.those([column], table)
    return (row, column) if there else None


def called(tables: Iterable[Fields]) -> tuple[str, ...]:
    """The names of tables, those that are left out here too; each must have one."""
    names: list[str] = []
    for each in tables:
        each.check(tuple(each.values), ("name",))
        if each.text("name") in (*names, CLEAN):
            raise UsageError(f"{each.where}: the name {each.text('name')!r} is taken; give it another.")
        names.append(each.text("name"))
    return tuple(names)


def _share(value: object, table: Fields) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 100:
        raise UsageError(f"{table.where}: a percentage lies between 0 and 100; found {value!r}.")
    return value / 100


def names_of(table: Fields, key: str) -> tuple[str, ...]:
    """A list of names, at least one."""
    value = table.values[key]
    if not isinstance(value, list) or not value or not all(isinstance(each, str) for each in value):
        raise UsageError(f"{table.where}: {key} must be a list of names; found {value!r}.")
    return tuple(value)


def whole_numbers(key: str, table: Fields) -> tuple[int, ...]:
    """Whole numbers from 0, at least one."""
    value = table.values[key]
    if not isinstance(value, list) or not value or not all(type(each) is int and each >= 0 for each in value):
        raise UsageError(f"{table.where}: {key} must be a list of whole numbers from 0; found {value!r}.")
    return tuple(value)


def listed(name: object, known: Any, complaint: str) -> None:
    """Raises `UsageError` with the complaint for a name that is not among those known."""
    if name not in known:
        raise UsageError(f"{complaint} {name!r}; there are {', '.join(known) or 'none'}.")
