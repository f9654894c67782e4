"""Reads studies from TOML files, for one data set and scale, and checks that everything they name is there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path

from bench.domain.errors import UsageError, closest
from bench.protocols.fields import Fields
from bench.protocols.reader import find_protocol
from bench.protocols.studies.cells import StudyColumn, column_of, row_of
from bench.protocols.studies.claims import claim_of, discrepancy_of, figures_of
from bench.protocols.studies.names import CLEAN, Names, called, must_be_known
from bench.protocols.studies.shown import adaptive_of, draws_of, series_of, table_of
from bench.protocols.studies.study import Study, StudyHeading
from bench.protocols.studies.trainings import SOURCE, source_of, trainings_of

TEXTS = ("name", "version", "title", "description")
FOR_ALL = ("samples", "on")
"""What a file may say of every cell: how many samples there are, and that it is another number on a data set."""
PARTS = ("train", "row", "column", "table", "published", "claim", "discrepancy", "series", "draws", "adaptive")
FULL = "full"


def read(path: Path, dataset: str, scale: str = FULL) -> Study:
    """The study in a TOML file, as it is on one of its data sets at one of its scales.

    A row, a column or a training may have a table `on` with other values for a data set or a scale, by its name, the
    scale's before the data set's: `on.digits = { params = { ... } }`; `on.quick = { skip = true }` leaves it out there.
    Percentages are the paper's own. Raises `UsageError` for a file that is missing or no TOML, for missing, unknown or
    unfit keys, and for names of rows, columns and trainings that are not in it.
    """
    table = _opened(path)
    head = _heading(table)
    must_be_known(dataset, head.datasets, f"{path} has no data set")
    must_be_known(scale, head.scales, f"{path} has no scale")
    every = {part: table.tables(part, part) for part in PARTS}
    here = {part: list(_here(every[part], dataset, scale)) for part in PARTS}
    left_out = set(called(every["train"])) - {each.text("name") for each in here["train"]}
    trained = trainings_of(here["train"], left_out)
    attacked = tuple(each.text("name") for each in here["column"] if "mean_of" not in each and "name" in each)
    columns = (StudyColumn(CLEAN, "none"), *(column_of(each, attacked, trained) for each in here["column"]))
    column_names = (CLEAN, *called(every["column"])), tuple(column.name for column in columns)
    named = Names("column", *column_names)
    rows = tuple(row_of(each, named, trained) for each in here["row"])
    names = Names("row", called(every["row"]), tuple(row.name for row in rows)), named
    series = [series_of(each, rows, *names) for each in here["series"]]
    draws = [draws_of(each, {column.name: column for column in columns}, *names) for each in here["draws"]]
    tables = [table_of(each, *names) for each in here["table"]]
    over = [each for each, found in draws if each.rows and found]
    titles = Names("draws", tuple(each.text("title") for each in every["draws"] if "title" in each), ())
    claims = [claim_of(each, *names, titles, over) for each in here["claim"]]
    adaptive = [adaptive_of(each, *names) for each in here["adaptive"]]
    source, source_params = source_of(table, trained)
    return Study(
        name=head.name,
        version=head.version,
        title=head.title,
        description=head.description,
        dataset=dataset,
        scale=scale,
        protocol=find_protocol(table.text("protocol")),
        samples=_sizes(table).get(scale) or _samples(table, dataset, scale),
        trainings=tuple(training for training in trained.values() if training is not None),
        rows=(*rows, *(row for _, found in series for row in found)),
        columns=(*columns, *(column for _, found in (*draws, *adaptive) for column in found)),
        tables=tuple(each for each in tables if each.rows and each.columns),
        published=tuple(found for each in here["published"] for found in figures_of(each, *names)),
        claims=tuple(each for each in claims if each is not None),
        discrepancies=tuple(map(discrepancy_of, here["discrepancy"])),
        series=tuple(each for each, found in series if found and each.columns),
        draws=tuple(over),
        adaptive=tuple(each for each, _ in adaptive),
        source=source,
        source_params=source_params,
    )


@cache
def builtin_studies() -> Mapping[str, Path]:
    """The files of the studies that come with bench, by name."""
    return {path.stem: path for path in sorted(Path(__file__).parent.glob("*.toml"), key=lambda path: path.stem)}


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
    table.check((*TEXTS, "protocol", "datasets"), ("scales", *SOURCE, *FOR_ALL, *PARTS), "study")
    return table


def _heading(table: Fields) -> StudyHeading:
    texts = {key: table.text(key) for key in TEXTS}
    return StudyHeading(**texts, datasets=table.names("datasets"), scales=tuple(_sizes(table)))


def _sizes(table: Fields) -> dict[str, int | None]:
    """By scale the number of samples; None leaves it to the protocol."""
    sizes: dict[str, int | None] = {FULL: None}
    for name, values in table.settings("scales").items():
        if not isinstance(values, dict):
            raise UsageError(f"{table.where}: the scale {name} must be a table; found {values!r}.")
        size = Fields(values, table.path, f"scale {name}")
        size.check((), ("samples",))
        sizes[name] = size.count("samples", 1)
    return sizes


def _samples(table: Fields, dataset: str, scale: str) -> int | None:
    """How many samples the study has where its scale says nothing; None leaves it to the protocol."""
    said = replace(table, values={key: table.values[key] for key in FOR_ALL if key in table})
    return next((chosen.count("samples", 1) for chosen in _here([said], dataset, scale)), None)


def _here(tables: Iterable[Fields], dataset: str, scale: str) -> Iterator[Fields]:
    """Tables as they are on a data set at a scale, without those that are left out there."""
    for table in tables:
        others = table.within("on")
        values = {key: value for key, value in table.values.items() if key != "on"}
        for name in (dataset, scale):
            values |= others.settings(name)
        if not replace(table, values=values).flag("skip"):
            values.pop("skip", None)
            yield replace(table, values=values)
