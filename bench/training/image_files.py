"""Files of many labelled images, written piece by piece: float32 safetensors, or bytes as such data are published."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.domain.errors import UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

NAMES = {"float32": "images.safetensors", "uint8": "images.npz"}
"""A file's name by the type of its pixels."""

Write = Callable[["NDArray[np.float32]"], "NDArray[np.float32]"]


@contextmanager
def image_file(path: Path, pixels: str, shape: tuple[int, int, int], labels: NDArray[np.int64]) -> Iterator[Write]:
    """A function that appends images (n, C, H, W) and gives them back as a reader will find them.

    The file appears whole, or not at all where the scope is left by an error. 'float32' is a safetensors file of
    `images` (N, C, H, W) and `labels` (N,); 'uint8' an uncompressed .npz of `image` (N, H, W, C) and `label` (N,). Both
    are laid out here, for safetensors and numpy write only what is whole in memory.
    """
    part = path.with_name(path.name + ".part")
    try:
        with _WRITERS[pixels](part, shape, labels) as write:
            yield write
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def check(pixels: str) -> None:
    """Raise `UsageError` for a type of pixels that no file here has."""
    if pixels not in NAMES:
        raise UsageError(f"Pixels are written as {' or '.join(NAMES)}; got {pixels!r}.")


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, read piece by piece."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _floats(path: Path, shape: tuple[int, int, int], labels: NDArray[np.int64]) -> Iterator[Write]:
    beginning, size = labels.size * 8, labels.size * int(np.prod(shape)) * 4
    entries = {
        "labels": {"dtype": "I64", "shape": [labels.size], "data_offsets": [0, beginning]},
        "images": {"dtype": "F32", "shape": [labels.size, *shape], "data_offsets": [beginning, beginning + size]},
    }
    header = json.dumps(entries, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    with path.open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header + labels.astype("<i8").tobytes())

        def write(images: NDArray[np.float32]) -> NDArray[np.float32]:
            file.write(images.astype("<f4").tobytes())
            return images

        yield write


@contextmanager
def _bytes(path: Path, shape: tuple[int, int, int], labels: NDArray[np.int64]) -> Iterator[Write]:
    channels, height, width = shape
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        with _member(archive, "label", labels.shape, "<i8") as file:
            file.write(labels.astype("<i8").tobytes())
        with _member(archive, "image", (labels.size, height, width, channels), "|u1") as file:

            def write(images: NDArray[np.float32]) -> NDArray[np.float32]:
                found = np.rint(images * np.float32(255)).astype(np.uint8)
                file.write(found.transpose(0, 2, 3, 1).tobytes())
                read: NDArray[np.float32] = found.astype(np.float32) / np.float32(255)
                return read

            yield write


@contextmanager
def _member(archive: zipfile.ZipFile, name: str, shape: tuple[int, ...], kind: str) -> Iterator[Any]:
    """An array of an archive, in numpy's format, open for its data; its date is fixed, so that equal files are."""
    with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as file:
        np.lib.format.write_array_header_1_0(file, {"descr": kind, "fortran_order": False, "shape": shape})
        yield file


_WRITERS = {"float32": _floats, "uint8": _bytes}
