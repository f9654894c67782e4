"""Images in parquet files as the hub has them: a column of encoded images (`bytes`, `path`) and one of labels."""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np

from bench.domain.dataset import Split
from bench.domain.errors import DataError

HELD = 256 * 2**20
"""Bytes of encoded images that are kept: all of CIFAR, of ImageNet the row groups that were read last."""


@dataclass(frozen=True)
class Columns:
    """What the columns are called."""

    image: str
    label: str

    def __str__(self) -> str:
        return f"{self.image} and {self.label}"


def parquet_files(folder: Path, words: Sequence[str], others: Sequence[str]) -> list[Path]:
    """The parquet files of a split, sorted: those with one of these words in their names, or in a folder of such a
    name. `folder` may be one file; where its name has none of the words of any split, it serves as each."""
    if folder.is_file():
        own, other = (any(word in folder.name.lower() for word in each) for each in (words, others))
        return [folder] if own or not other else []
    files = sorted(folder.rglob("*.parquet"))
    named = [path for path in files if any(word in path.name.lower() for word in words)]
    return named or [path for path in files if path.parent.name in words]


def other_splits(split: Split) -> list[str]:
    """The names of the splits that this is not."""
    return [name for name in get_args(Split) if name != split]


class ParquetImages:
    """The rows of some files, one after another; labels are in memory, images are read when they are asked for.

    `labels` and `names` (the files that the images were, '' where that is not told) are in the order of the rows.
    Raises `DataError` where a file has not these columns.
    """

    def __init__(self, paths: Sequence[Path], columns: Columns) -> None:
        self.title = ", ".join(path.name for path in paths[:3]) + (", ..." if len(paths) > 3 else "")
        self.labels: list[object] = []
        self.names: list[str] = []
        self._column = columns.image
        self._groups: list[tuple[Path, int]] = []
        self._starts: list[int] = []
        self._held: OrderedDict[int, Any] = OrderedDict()
        for path in paths:
            self._open(path, columns)

    def source(self, index: int) -> bytes:
        """The bytes of an image file."""
        group = bisect_right(self._starts, index) - 1
        content = self._read(group)[index - self._starts[group]].as_py()
        if not isinstance(content, bytes):
            raise DataError(f"Image {index} of {self.title} is empty: the files should hold the images themselves.")
        return content

    def _open(self, path: Path, columns: Columns) -> None:
        import pyarrow
        from pyarrow import parquet

        try:
            with parquet.ParquetFile(path) as file:
                image = file.schema_arrow.field(columns.image).type
                inside = [image.field(place).name for place in range(image.num_fields)]
                if "bytes" not in inside:
                    raise KeyError(f"{columns.image} holds no bytes")
                named = "path" in inside
                wanted = [columns.label, *([f"{columns.image}.path"] if named else [])]
                table = file.read(columns=wanted)
                self.labels += table[columns.label].to_pylist()
                self.names += (
                    [path or "" for path in table[columns.image].combine_chunks().field("path").to_pylist()]
                    if named
                    else [""] * len(table)
                )
                start = len(self.labels) - len(table)
                for group in range(file.num_row_groups):
                    self._starts.append(start)
                    self._groups.append((path, group))
                    start += file.metadata.row_group(group).num_rows
        except (pyarrow.ArrowException, KeyError, OSError) as error:
            reason = str(error).strip("'\" ").partition("\n")[0]
            raise DataError(f"{path} is no parquet file with the columns {columns}: {reason}.") from error

    def _read(self, group: int) -> Any:
        """The encoded images of a row group; those that were read first are forgotten where there are too many."""
        from pyarrow import parquet

        if group not in self._held:
            path, number = self._groups[group]
            with parquet.ParquetFile(path) as file:
                table = file.read_row_group(number, columns=[f"{self._column}.bytes"])
            self._held[group] = table[self._column].combine_chunks().field("bytes")
            while len(self._held) > 1 and sum(each.nbytes for each in self._held.values()) > HELD:
                self._held.popitem(last=False)
        self._held.move_to_end(group)
        return self._held[group]


def checked_labels(
    values: Sequence[object], classes: int, title: str, name: str
) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Labels (N,) of so many classes; `DataError` for any other."""
    wrong = [value for value in values if not (isinstance(value, int) and 0 <= value < classes)]
    if wrong:
        raise DataError(f"The labels of {title} are 0 to {classes - 1}; {name} has {wrong[0]!r}.")
    return np.asarray(values, dtype=np.int64)
