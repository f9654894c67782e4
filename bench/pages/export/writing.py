"""Writes what a store holds as files for other programs: results, outcomes and leaderboards."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO

from bench.analysis.boards.choice import choose_boards, choose_plans, distinct
from bench.analysis.boards.table import Heading, Table
from bench.analysis.boards.tables import slug, tabulate, titles
from bench.analysis.results.summary import read
from bench.domain.errors import UsageError
from bench.domain.queries.watching import ignore
from bench.pages.export.columns import RESULT_COLUMNS, board_columns, result_row
from bench.pages.export.file_types import PROSE, Format, What
from bench.pages.export.text_tables import csv_text, defused, json_text, latex_text, markdown_text

if TYPE_CHECKING:
    import numpy as np
    import pyarrow
    from numpy.typing import NDArray

    from bench.domain.defense import Watch
    from bench.domain.plan import Plan
    from bench.store.store import Store

ROWS = 1 << 17
"""Rows that are kept in memory before they are written."""
INFINITE = (math.inf, -math.inf)


def export(
    store: Store,
    sink: BinaryIO,
    what: What,
    form: Format,
    *,
    protocol: str | None = None,
    dataset: str | None = None,
    tags: Sequence[str] = (),
    watch: Watch = ignore,
) -> int:
    """Write what a store holds to a file opened for writing, and say how many rows; equal stores give equal bytes.

    `protocol` (a name or a .toml file), `dataset` and `tags` leave out everything else. Raises `UsageError` where
    nothing is left, and for results or outcomes as prose.
    """
    if form in PROSE and what is not What.LEADERBOARD:
        raise UsageError(f"{what.capitalize()} have no table for a reader; write them as csv, json or parquet.")
    if what is What.LEADERBOARD:
        chosen = choose_boards(store, protocol, dataset, tags)
        boards = [tabulate(*pair) for pair in zip(chosen, distinct(map(slug, titles(chosen))), strict=True)]
        _write_boards(boards, sink, form)
        return sum(len(board.rows) for board in boards)
    plans = choose_plans(store, protocol, dataset, tags)
    batches = _results(store, plans, watch) if what is What.RESULTS else _outcomes(store, plans, watch)
    return {Format.CSV: _csv, Format.JSON: _json, Format.PARQUET: _parquet}[form](_gathered(batches), sink)


def stacked(boards: Sequence[Table]) -> Table:
    """Several leaderboards as one table: those that have a column fill it, and the first column says whose a row is."""
    headings = {heading.key: heading for board in boards for heading in board.headings}
    rows = []
    for board in boards:
        places = {heading.key: place for place, heading in enumerate(board.headings)}
        rows += [(board.name, *(row[places[key]] if key in places else None for key in headings)) for row in board.rows]
    first = Heading("leaderboard", "Leaderboard", kind="text", aside=True)
    return Table("leaderboards", "", (first, *headings.values()), tuple(rows))


def _write_boards(boards: Sequence[Table], sink: BinaryIO, form: Format) -> None:
    if form is Format.PARQUET:
        _parquet([_typed(stacked(boards))], sink)
        return
    texts = {
        Format.CSV: lambda: csv_text(stacked(boards)),
        Format.JSON: lambda: "[\n" + ",\n".join(json_text(board).strip() for board in boards) + "\n]\n",
        Format.LATEX: lambda: "\n".join(map(latex_text, boards)),
        Format.MARKDOWN: lambda: "\n".join(map(markdown_text, boards)),
    }
    sink.write(texts[form]().encode())


def _typed(board: Table) -> pyarrow.Table:
    """A leaderboard whose columns have their types even where nothing is in them."""
    import pyarrow

    share, count, text = pyarrow.float64(), pyarrow.int64(), pyarrow.string()
    types = {"rank": count, "text": text}
    kinds = {heading.key: types.get(heading.kind) for heading in board.headings}
    for heading in board.headings:
        if heading.kind == "figure":
            parts = {"": share, " low": share, " high": share, " n": count, " state": text}
            kinds |= {f"{heading.key}{part}": kind for part, kind in parts.items()}
    columns = board_columns(board)
    return pyarrow.table({name: pyarrow.array(values, kinds[name]) for name, values in columns.items()})


def _results(store: Store, plans: Sequence[Plan], watch: Watch) -> Iterator[pyarrow.Table]:
    import pyarrow

    kinds = {str: pyarrow.string(), int: pyarrow.int64(), float: pyarrow.float64(), bool: pyarrow.bool_()}
    schema = pyarrow.schema([(name, kinds[kind]) for name, kind in RESULT_COLUMNS.items()])
    rows = [result_row(read(store, plan)) for plan in _watched(plans, watch)]
    yield pyarrow.Table.from_pylist(rows, schema)


def _outcomes(store: Store, plans: Sequence[Plan], watch: Watch) -> Iterator[pyarrow.Table]:
    import pyarrow

    for plan in _watched(plans, watch):
        found = store.table(plan)
        known = {"plan": plan.digest, "defense": plan.defense.name, "attack": plan.attack.name}
        yield pyarrow.table(
            {
                **{name: pyarrow.repeat(text, len(found)) for name, text in known.items()},
                "sample": found.index,
                "label": found.label,
                "clean": _lists(found.clean),
                "perturbed": _lists(found.perturbed),
                "distance": found.distance,
                "radius": pyarrow.array(found.radius, from_pandas=True),  # null for NaN; infinite ones stay
                "minimal": pyarrow.array(found.minimal, from_pandas=True),
                "broken_at": pyarrow.array(found.broken_at, from_pandas=True).cast(pyarrow.int64()),
                "fell_to": pyarrow.array(found.fell_to.tolist(), pyarrow.string()),
            }
        )


def _lists(predictions: NDArray[np.int64]) -> Any:
    """Predictions (N, draws) as N lists."""
    import pyarrow

    count, draws = predictions.shape
    starts = pyarrow.array(range(0, count * draws + 1, draws), pyarrow.int32())
    return pyarrow.ListArray.from_arrays(starts, predictions.reshape(-1))


def _watched(plans: Sequence[Plan], watch: Watch) -> Iterator[Plan]:
    for number, plan in enumerate(plans):
        watch(number, len(plans), f"plan {plan.digest[:12]}")
        yield plan
    watch(len(plans), len(plans))


def _gathered(tables: Iterable[pyarrow.Table]) -> Iterator[pyarrow.Table]:
    """The same rows in fewer, larger tables."""
    import pyarrow

    waiting: list[pyarrow.Table] = []
    for table in tables:
        waiting.append(table)
        if sum(map(len, waiting)) >= ROWS:
            yield pyarrow.concat_tables(waiting).combine_chunks()
            waiting = []
    if waiting:
        yield pyarrow.concat_tables(waiting).combine_chunks()


def _parquet(tables: Iterable[pyarrow.Table], sink: BinaryIO) -> int:
    from pyarrow import parquet

    writer, rows = None, 0
    for table in tables:
        writer = writer or parquet.ParquetWriter(sink, table.schema, compression="zstd")
        writer.write_table(table)
        rows += len(table)
    if writer is not None:
        writer.close()
    return rows


def _csv(tables: Iterable[pyarrow.Table], sink: BinaryIO) -> int:
    """Draws are separated by spaces, and no text is a formula for a spreadsheet."""
    from pyarrow import csv

    rows = 0
    for table in tables:
        plain = [_as_text(column) for column in table.columns]
        csv.write_csv(table.from_arrays(plain, table.column_names), sink, csv.WriteOptions(include_header=not rows))
        rows += len(table)
    return rows


def _as_text(column: Any) -> Any:
    import pyarrow
    from pyarrow import compute

    if pyarrow.types.is_list(column.type):
        draws = pyarrow.chunked_array([chunk.cast(pyarrow.list_(pyarrow.string())) for chunk in column.chunks])
        return compute.binary_join(draws, " ")
    if pyarrow.types.is_string(column.type):
        distinct = column.combine_chunks().dictionary_encode()
        safe = pyarrow.array([text and defused(text) for text in distinct.dictionary.to_pylist()], pyarrow.string())
        return safe.take(distinct.indices)
    return column


def _json(tables: Iterable[pyarrow.Table], sink: BinaryIO) -> int:
    """A list with an object a row, one a line; infinity, which JSON lacks, is the text 'Infinity'."""
    rows = 0
    for table in tables:
        for row in table.to_pylist():
            finite = {name: "Infinity" if value in INFINITE else value for name, value in row.items()}
            text = json.dumps(finite, ensure_ascii=False, allow_nan=False)
            sink.write(f"{',' if rows else '['}\n{text}".encode())
            rows += 1
    sink.write(b"\n]\n" if rows else b"[]\n")
    return rows
