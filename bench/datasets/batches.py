"""CIFAR's original Python batches, which are pickles, read without running what they might carry."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.domain.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

# numpy moved the function that rebuilds an array; the object itself names it under every version.
_RECONSTRUCT = np.zeros(0).__reduce__()[0]
_ADMITTED = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("numpy.core.multiarray", "_reconstruct"): _RECONSTRUCT,
    ("numpy._core.multiarray", "_reconstruct"): _RECONSTRUCT,
}


class _RefusedError(Exception):
    """A pickle names something that no batch needs."""


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ADMITTED:
            raise _RefusedError(f"{module}.{name}")
        return _ADMITTED[module, name]


def read_batch(path: Path, title: str, label: str) -> tuple[NDArray[np.uint8], list[Any]]:
    """Pixels (N, 3072) uint8, channel by channel and row by row, and N labels, which are the entry `label`.

    Raises `DataError` for anything but a dictionary of these; only the functions that rebuild a numpy array can run.
    """
    try:
        with path.open("rb") as file:
            content = _Unpickler(file, encoding="latin1").load()
    except _RefusedError as error:
        raise DataError(f"{path} is no {title} batch: it asks for {error}, which could run code; refused.") from None
    except Exception as error:  # A broken pickle fails in any way that its bytes lead to.
        raise DataError(f"{path} is no readable {title} batch: {error}.") from error
    pixels, labels = (_entry(content, key) for key in ("data", label))
    sound = isinstance(pixels, np.ndarray) and pixels.dtype == np.uint8 and pixels.shape[1:] == (3072,)
    if not sound or not isinstance(labels, list) or len(labels) != len(pixels):
        raise DataError(f"{path} is no {title} batch: it should hold data (N, 3072) uint8 and N {label}.")
    return pixels, labels


def _entry(content: Any, key: str) -> Any:
    """The entry of a dictionary that Python 2 or 3 has written; None where there is none."""
    return content.get(key, content.get(key.encode())) if isinstance(content, dict) else None
