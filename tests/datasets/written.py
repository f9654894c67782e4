"""Small files in the official formats of data sets."""

from __future__ import annotations

import io
import pickle
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
from PIL import Image
from pyarrow import parquet


def encoded(pixels: np.ndarray, form: str = "PNG") -> bytes:
    """An image file's bytes."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, form)
    return stream.getvalue()


def write_parquet(
    path: Path,
    labels: Sequence[int],
    pixels: Sequence[np.ndarray] | np.ndarray,
    columns: tuple[str, str] = ("img", "label"),
    names: Sequence[str | None] | None = None,
    rows: int | None = None,
) -> None:
    """A parquet file as the hub has it, with so many rows a group."""
    path.parent.mkdir(parents=True, exist_ok=True)
    names = names or [f"{number}.png" for number in range(len(labels))]
    images = [{"bytes": encoded(image), "path": name} for image, name in zip(pixels, names, strict=True)]
    parquet.write_table(pyarrow.table({columns[0]: images, columns[1]: labels}), path, row_group_size=rows)


def in_cache(hub: Path, repository: str) -> Path:
    """Where the files of a data set's main branch lie in a hub's cache."""
    home = hub / f"datasets--{repository.replace('/', '--')}"
    (home / "refs").mkdir(parents=True)
    (home / "refs" / "main").write_text("abc")
    return home / "snapshots" / "abc"


class Trap:
    """Runs a command when it is unpickled."""

    def __reduce__(self) -> Any:
        return (exec, ("raise SystemExit('the trap ran')",))


class Python2Pickler(pickle._Pickler):
    """Writes bytes as Python 2 wrote its strings, as in the original batches."""

    def save_bytes(self, value: bytes) -> None:
        self.write(pickle.BINSTRING + struct.pack("<i", len(value)) + value)
        self.memoize(value)

    dispatch = {**pickle._Pickler.dispatch, bytes: save_bytes}


def write_batch(path: Path, labels: Sequence[int], pixels: np.ndarray, key: bytes = b"labels") -> None:
    """A batch in the original's very form: Python 2 strings, numpy's old module names, rows of 3072."""
    path.parent.mkdir(parents=True, exist_ok=True)
    stream = io.BytesIO()
    content = {
        b"batch_label": b"testing batch 1 of 1",
        key: list(labels),
        b"data": pixels.transpose(0, 3, 1, 2).reshape(-1, 3072),
        b"filenames": [b"cat_s_000123.png"] * len(labels),
    }
    Python2Pickler(stream, protocol=2).dump(content)
    path.write_bytes(stream.getvalue().replace(b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n"))
