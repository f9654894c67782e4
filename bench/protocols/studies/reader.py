"""Reads studies from TOML files, for one data set and scale, and checks that everything they name is there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any, cast, get_args

from bench.domain.errors import UsageError, closest
from bench.protocols.fields import Fields
from bench.protocols.reader import find_protocol
from bench.protocols.studies.study import (
    CLEAN,
    Adversarial,
    Cell,
    Claim,
    Discrepancy,
    PublishedFigure,
    Relation,
    Study,
    StudyColumn,
    StudyHeading,
    StudyRow,
    StudySeries,
    StudyTable,
    StudyTraining,
)

KEYS = ("name", "version", "title", "description", "protocol", "datasets", "scales")
PARTS = ("train", "row", "column", "table", "published", "claim", "discrepancy", "series")
FULL = "full"
SCALE_KEYS = ("samples",)


@dataclass(frozen=True)
class Names:
    """What rows or columns a study names, and which of them are there on this data set and scale."""

    kind: str
    known: tuple[str, ...]
    present: tuple[str, ...]

    def check(self, name: str, table: Fields) -> str:
        """The same name. Raises `UsageError` where the study has no such row or column at all."""
        _known(name, self.known, f"{table.where} names a {self.kind} that is not there:")
        return name

    def those(self, names: Iterable[str], table: Fields) -> tuple[str, ...]:
        """Those of the names that are there."""
        return tuple(name for name in names if self.check(name, table) in self.present)


def read(path: Path, dataset: str, scale: str = FULL) -> Study:
    """The study in a TOML file, as it is on one of its data sets at one of its scales.

    A row, a column or a training may have a table `on` with other values for a data set or a scale, by its name, the
    scale's before the data set's: `on.digits = { params = { ... } }`; `on.quick = { skip = true }` leaves it out there.
    Percentages are the paper's own. Raises `UsageError` for a file that is missing or no TOML, for missing, unknown or
    unfit keys, and for names of rows, columns and trainings that are not in it.
    """
    table = _opened(path)
    head = _heading(table)
    _known(dataset, head.datasets, f"{path} has no data set")
    _known(scale, head.scales, f"{path} has no scale")
    every = {part: table.tables(part, part) for part in PARTS}
    parts = {part: [each for each in map(_on(dataset, scale), every[part]) if each] for part in PARTS}
    trainings = tuple(map(_training, parts["train"]))
    attacked = tuple(each.text("name") for each in parts["column"] if "mean_of" not in each and "name" in each)
    columns = (StudyColumn(CLEAN, "none"), *(_column(each, attacked) for each in parts["column"]))
    column_names = Names("column", (CLEAN, *_called(every["column"])), tuple(column.name for column in columns))
    rows = tuple(_row(each, column_names, [training.name for training in trainings]) for each in parts["row"])
    row_names = Names("row", _called(every["row"]), tuple(row.name for row in rows))
    series = [_series(each, rows, row_names, column_names) for each in parts["series"]]
    tables = [_table(each, row_names, column_names) for each in parts["table"]]
    claims = [_claim(each, row_names, column_names) for each in parts["claim"]]
    return Study(
        name=head.name,
        version=head.version,
        title=head.title,
        description=head.description,
        dataset=dataset,
        scale=scale,
        protocol=find_protocol(table.text("protocol")),
        samples=_sizes(table).get(scale),
        trainings=trainings,
        rows=(*rows, *(row for _, made in series for row in made)),
        columns=columns,
        tables=tuple(each for each in tables if each.rows and each.columns),
        published=tuple(found for each in parts["published"] for found in _published(each, row_names, column_names)),
        claims=tuple(each for each in claims if each is not None),
        discrepancies=tuple(map(_discrepancy, parts["discrepancy"])),
        series=tuple(each for each, made in series if made and each.columns),
    )


@cache
def builtin_studies() -> Mapping[str, Path]:
    """The files of the studies that come with bench, by name."""
    return {path.stem: path for path in sorted(Path(__file__).parent.glob("*.toml"))}


def heading(path: Path) -> StudyHeading:
    """What the study in a TOML file says of itself; raises what `read` raises of a heading."""
    return _heading(_opened(path))


def find_study(reference: str, dataset: str, scale: str = FULL) -> Study:
    """The built-in study of this name, or the one in the file at this path (it ends in .toml)."""
    if reference.endswith(".toml"):
        return read(Path(reference), dataset, scale)
    known = builtin_studies()
    if reference in known:
        return read(known[reference], dataset, scale)
    raise UsageError(f"No study is called {reference!r}.{closest(reference, known)} A file of your own ends in .toml.")


def _opened(path: Path) -> Fields:
    table = Fields.read(path, "study")
    table.check((*KEYS, *PARTS), ("name", "version", "title", "description", "protocol", "datasets"), "study")
    return table


def _heading(table: Fields) -> StudyHeading:
    texts = {key: table.text(key) for key in ("name", "version", "title", "description")}
    return StudyHeading(**texts, datasets=_names(table, "datasets"), scales=tuple(_sizes(table)))


def _sizes(table: Fields) -> dict[str, int | None]:
    """By scale the number of samples; None leaves it to the protocol."""
    sizes: dict[str, int | None] = {FULL: None}
    for name, values in table.settings("scales").items():
        if not isinstance(values, dict):
            raise UsageError(f"{table.where}: the scale {name} must be a table; found {values!r}.")
        size = Fields(values, table.path, f"scale {name}")
        size.check(SCALE_KEYS, ())
        sizes[name] = size.number("samples", 1) if "samples" in size else None
    return sizes


def _on(dataset: str, scale: str) -> Any:
    """Makes of a table what it is on a data set at a scale; None where it is left out there."""

    def made(table: Fields) -> Fields | None:
        others = table.settings("on")
        values = {key: value for key, value in table.values.items() if key != "on"}
        for name in (dataset, scale):
            values |= Fields(others, table.path, table.place).settings(name)
        if Fields(values, table.path, table.place).flag("skip"):
            return None
        values.pop("skip", None)
        return Fields(values, table.path, table.place)

    return made


def _training(table: Fields) -> StudyTraining:
    table.check(("name", "defense", "params", "recipe", "seed", "adversarial"), ("name", "defense"))
    return StudyTraining(
        name=table.text("name"),
        defense=table.text("defense"),
        params=table.settings(),
        recipe=table.settings("recipe"),
        seed=table.number("seed", 0) if "seed" in table else 0,
        adversarial=_adversarial(Fields(table.settings("adversarial"), table.path, table.place)),
    )


def _adversarial(table: Fields) -> Adversarial | None:
    if not table.values:
        return None
    table.check(("attack", "epsilon", "source", "params"), ("attack", "epsilon", "source"))
    epsilon = cast(Fraction, table.epsilon())  # which was checked to be there
    return Adversarial(table.text("attack"), epsilon, table.text("source"), table.settings())


def _row(table: Fields, columns: Names, trainings: list[str]) -> StudyRow:
    table.check(("name", "defense", "params", "weights"), ("name", "defense"))
    given = table.values.get("weights", {})
    weights = {"*": given} if isinstance(given, str) else table.settings("weights")
    for column, training in weights.items():
        if column != "*":
            columns.check(column, table)
        _known(training, trainings, f"{table.where} has weights that no [[train]] makes:")
    return StudyRow(table.text("name"), table.text("defense"), table.settings(), weights)


def _column(table: Fields, known: tuple[str, ...]) -> StudyColumn:
    if "mean_of" in table:
        table.check(("name", "mean_of"), ("name", "mean_of"))
        names = _names(table, "mean_of")
        for name in names:
            _known(name, known, f"{table.where} is the mean of a column that is not there:")
        return StudyColumn(table.text("name"), "none", mean_of=names)
    table.check(("name", "attack", "params", "epsilon", "source", "radius"), ("name", "attack"))
    source = table.text("source") if "source" in table else None
    radius = table.values.get("radius")
    if radius is not None and (isinstance(radius, bool) or not isinstance(radius, int | float) or radius < 0):
        raise UsageError(f"{table.where}: a radius is a number of at least 0; found {radius!r}.")
    made = StudyColumn(table.text("name"), table.text("attack"), table.settings(), table.epsilon(), source)
    return made if radius is None else replace(made, radius=float(radius))


def _table(table: Fields, rows: Names, columns: Names) -> StudyTable:
    table.check(("title", "rows", "columns"), ("title", "rows", "columns"))
    chosen = rows.those(_names(table, "rows"), table), columns.those(_names(table, "columns"), table)
    return StudyTable(table.text("title"), *chosen)


def _series(
    table: Fields, rows: tuple[StudyRow, ...], row_names: Names, columns: Names
) -> tuple[StudySeries, tuple[StudyRow, ...]]:
    """A series and the rows that it makes; none where its row is not there on this data set and scale."""
    table.check(("title", "row", "steps", "columns"), ("title", "row", "steps", "columns"))
    steps = table.values["steps"]
    if not isinstance(steps, list) or not steps or not all(type(step) is int and step >= 0 for step in steps):
        raise UsageError(f"{table.where}: steps must be a list of whole numbers from 0; found {steps!r}.")
    name, chosen = table.text("row"), columns.those(_names(table, "columns"), table)
    there = [row for row in rows if row.name in row_names.those([name], table)]
    for row in there:
        if not all(row.training(column) for column in chosen):
            raise UsageError(f"{table.where}: the row {name!r} needs weights of a training under every column.")
    made = tuple(replace(row, name=f"{name}, step {step}", step=step) for row in there for step in steps)
    return StudySeries(table.text("title"), name, tuple(steps), tuple(row.name for row in made), chosen), made


def _published(table: Fields, rows: Names, columns: Names) -> list[PublishedFigure]:
    table.check(("row", "place", "percent"), ("row", "place", "percent"))
    row, place, percent = table.text("row"), table.text("place"), table.settings("percent")
    shares = {column: _share(value, table) for column, value in percent.items()}
    if not rows.those([row], table):
        return []
    return [PublishedFigure(row, column, shares[column], place) for column in columns.those(percent, table)]


def _claim(table: Fields, rows: Names, columns: Names) -> Claim | None:
    """None where one of its cells is not there on this data set and scale."""
    needed = ("text", "cell", "relation", "other")
    table.check((*needed, "margin"), needed)
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
    return Claim(table.text("text"), cell, cast(Relation, relation), against, margin)


def _discrepancy(table: Fields) -> Discrepancy:
    keys = ("what", "paper", "code", "here")
    table.check(keys, keys)
    return Discrepancy(*map(table.text, keys))


def _cell(table: Fields, key: str, rows: Names, columns: Names) -> Cell | None:
    names = _names(table, key)
    if len(names) != 2:
        raise UsageError(f"{table.where}: {key} must be a row and a column; found {table.values[key]!r}.")
    row, column = names
    there = rows.those([row], table) and columns.those([column], table)
    return (row, column) if there else None


def _called(tables: Iterable[Fields]) -> tuple[str, ...]:
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


def _names(table: Fields, key: str) -> tuple[str, ...]:
    value = table.values[key]
    if not isinstance(value, list) or not value or not all(isinstance(each, str) for each in value):
        raise UsageError(f"{table.where}: {key} must be a list of names; found {value!r}.")
    return tuple(value)


def _known(name: object, known: Any, complaint: str) -> None:
    if name not in known:
        raise UsageError(f"{complaint} {name!r}; there are {', '.join(known) or 'none'}.")
