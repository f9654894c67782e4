"""Rows of parquet files are read when they are asked for, and no more of them are kept than fit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow
import pytest
from pyarrow import parquet

from bench.datasets import parquet as reader
from bench.datasets.parquet import Columns, ParquetImages, parquet_files
from bench.domain.errors import DataError
from tests.datasets.written import encoded, write_parquet

PIXELS = np.random.RandomState(0).randint(0, 256, (7, 32, 32, 3)).astype(np.uint8)
COLUMNS = Columns("img", "label")


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    """Seven rows in two files, two a group."""
    found = [tmp_path / "one.parquet", tmp_path / "two.parquet"]
    write_parquet(found[0], range(4), PIXELS[:4], rows=2)
    write_parquet(found[1], range(4, 7), PIXELS[4:], names=["a.png", None, "c.png"], rows=2)
    return found


@pytest.mark.parametrize("held", [1, 2**20])
def test_rows_are_found_in_any_order_across_groups_and_files(
    paths: list[Path], held: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "HELD", held)
    images = ParquetImages(paths, COLUMNS)
    assert images.labels == list(range(7))
    assert images.names[3:] == ["3.png", "a.png", "", "c.png"]
    for index in (6, 0, 3, 3, 5, 1, 4, 2, 6):
        assert images.source(index) == encoded(PIXELS[index])


def test_what_is_kept_stays_below_its_limit(paths: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    limit = 5 * len(encoded(PIXELS[0]))
    monkeypatch.setattr(reader, "HELD", limit)
    images = ParquetImages(paths, COLUMNS)
    assert not images._held
    for index in range(7):
        images.source(index)
        assert sum(group.nbytes for group in images._held.values()) <= limit


def test_an_image_column_without_images_is_named(tmp_path: Path) -> None:
    path = tmp_path / "test.parquet"
    parquet.write_table(pyarrow.table({"img": [{"path": "a.png"}], "label": [1]}), path)
    with pytest.raises(DataError, match=r"with the columns img and label: img holds no bytes"):
        ParquetImages([path], COLUMNS)
    content = pyarrow.array([{"bytes": None, "path": "a"}], pyarrow.struct([("bytes", "binary"), ("path", "string")]))
    parquet.write_table(pyarrow.table({"img": content, "label": [1]}), path)
    with pytest.raises(DataError, match=r"Image 0 of test\.parquet is empty"):
        ParquetImages([path], COLUMNS).source(0)


def test_a_file_serves_the_split_in_its_name_or_every_one(tmp_path: Path) -> None:
    for name in ("train.parquet", "mine.parquet"):
        (tmp_path / name).touch()
    assert parquet_files(tmp_path / "mine.parquet", ["test"], ["train"]) == [tmp_path / "mine.parquet"]
    assert parquet_files(tmp_path / "train.parquet", ["test"], ["train"]) == []
    assert parquet_files(tmp_path, ["train"], ["test"]) == [tmp_path / "train.parquet"]
