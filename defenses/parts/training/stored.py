"""Images too many for memory, mapped from the files in which they are published or drawn and read row by row."""

from __future__ import annotations

import json
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from bench import DataError, Task

if TYPE_CHECKING:
    from numpy.typing import NDArray

SUFFIXES = (".safetensors", ".npz")
IMAGES, LABELS = ("image", "images"), ("label", "labels")
_TYPES = {"U8": "u1", "F32": "<f4", "I32": "<i4", "I64": "<i8"}


@dataclass(frozen=True)
class StoredImages:
    """Images on disk, bytes or float32 in [0, 1]: (N, C, H, W), or (N, H, W, C) where `last`; labels (N,) int64."""

    rows: NDArray[Any]
    labels: Tensor
    last: bool

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, places: Tensor) -> Tensor:
        """The images (n, C, H, W) at `places` (n,), float32 in [0, 1], on the CPU; nothing else is read."""
        found = self.rows[places.numpy()]
        found = found.transpose(0, 3, 1, 2) if self.last else found
        if found.dtype == np.uint8:
            return torch.from_numpy(np.ascontiguousarray(found, dtype=np.float32) / np.float32(255))
        return torch.from_numpy(np.ascontiguousarray(found))


def open_images(path: Path, task: Task, scratch: Path) -> StoredImages:
    """The images in an .npz (arrays `image` and `label`, as such data are published) or .safetensors file.

    A compressed array cannot be mapped; it is unpacked into a file in the folder `scratch` that vanishes with the
    process. Raises `DataError` where the file holds no such images of the task.
    """
    try:
        arrays = _zipped(path, scratch) if path.suffix == ".npz" else _tensors(path)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise DataError(f"The generated images {path} cannot be read: {error}") from error
    images, labels = (next((arrays[name] for name in names if name in arrays), None) for names in (IMAGES, LABELS))
    if images is None or labels is None or not _fit(images, labels, task):
        channels, height, width = task.shape
        found = {name: (str(array.dtype), array.shape) for name, array in arrays.items()}
        raise DataError(
            f"{path} should hold images (N, {channels}, {height}, {width}) or (N, {height}, {width}, {channels}), "
            f"uint8 or float32, and labels (N,), as `bench generate` writes them; found {found}."
        )
    classes = torch.from_numpy(np.array(labels, dtype=np.int64))
    if len(classes) == 0 or not 0 <= int(classes.min()) <= int(classes.max()) < len(task.classes):
        raise DataError(f"The labels in {path} should lie below {len(task.classes)}, the classes of {task.dataset}.")
    return StoredImages(images, classes, images.shape[1:] != task.shape)


def _fit(images: NDArray[Any], labels: NDArray[Any], task: Task) -> bool:
    shapes = (task.shape, (*task.shape[1:], task.shape[0]))
    known = images.dtype in (np.uint8, np.float32) and labels.dtype.kind in "iu"
    return known and images.shape[1:] in shapes and labels.shape == images.shape[:1]


def _tensors(path: Path) -> dict[str, NDArray[Any]]:
    """The tensors of a safetensors file, mapped: its length in 8 bytes, a JSON header, then the data.

    By hand, since safetensors does not promise to map what it opens.
    """
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        if not 0 < size < path.stat().st_size:
            raise ValueError("it is no safetensors file")
        header = json.loads(file.read(size))
    header.pop("__metadata__", None)
    return {
        name: np.memmap(
            path,
            dtype=_TYPES[entry["dtype"]],
            mode="r",
            offset=8 + size + entry["data_offsets"][0],
            shape=tuple(entry["shape"]),
        )
        for name, entry in header.items()
    }


def _zipped(path: Path, scratch: Path) -> dict[str, NDArray[Any]]:
    """The arrays of an .npz file that are looked for here; one that is not compressed is mapped where it lies."""
    found = {}
    with zipfile.ZipFile(path) as archive, path.open("rb") as whole:
        for entry in archive.infolist():
            name = entry.filename.removesuffix(".npy")
            if name not in IMAGES + LABELS:
                continue
            if entry.compress_type == zipfile.ZIP_STORED:
                whole.seek(entry.header_offset + 26)  # lengths of the name and of what follows it
                lengths = whole.read(4)
                whole.seek(int.from_bytes(lengths[:2], "little") + int.from_bytes(lengths[2:], "little"), 1)
                found[name] = _mapped(whole)
                continue
            with archive.open(entry) as packed, tempfile.TemporaryFile(dir=scratch) as unpacked:
                while piece := packed.read(1 << 22):
                    unpacked.write(piece)
                unpacked.seek(0)
                found[name] = _mapped(unpacked)
    return found


def _mapped(file: IO[bytes]) -> NDArray[Any]:
    """The array in numpy's own format that starts here in a file; `ValueError` for Python objects."""
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read(file)
    if dtype.hasobject or fortran:
        raise ValueError(f"its array is of {dtype} in {'another' if fortran else 'this'} order")
    return np.memmap(file, dtype=dtype, mode="r", offset=file.tell(), shape=shape)
