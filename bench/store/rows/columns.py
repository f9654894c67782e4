"""One column of numbers as bytes, and back.

A column is a letter, that of its numbers' type in Python's `struct` (b, h, i, q, e, f or d: the narrowest that holds
all of them exactly), and then the numbers, little-endian, one a sample or all draws of a sample side by side. NaN is
what is not known. What is no array of numbers, as only an edited store holds it, is a JSON list. NumPy's own format has
a header of 128 bytes, which is more than many a column.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

WHOLE, REAL = "bhiq", "efd"
"""The letters of whole and of real numbers, the narrowest first."""
_TYPES = {letter.encode(): np.dtype(f"<{letter}") for letter in WHOLE + REAL}
_LIST = b"["


def pack_whole(values: Sequence[Any], *, draws: bool = False) -> bytes:
    """Whole numbers (N,), or with `draws` (N, draws), equally many a sample; anything else as it is."""
    if draws and not set(map(type, values)) <= {list, tuple}:
        return pack_list(values)
    if not set(map(type, chain.from_iterable(values) if draws else values)) <= {int}:
        return pack_list(values)
    try:
        numbers = np.array(values, dtype=np.int64)
    except (OverflowError, ValueError):  # too large, or not equally many
        return pack_list(values)
    low, high = (int(numbers.min()), int(numbers.max())) if numbers.size else (0, 0)
    fitting = (letter for letter in WHOLE if np.iinfo(letter).min <= low and high <= np.iinfo(letter).max)
    return _bytes(numbers, next(fitting))


def pack_real(values: Sequence[Any]) -> bytes:
    """Real numbers (N,), NaN for None; anything else as it is."""
    try:
        numbers = np.array(values, dtype=np.float64)
    except (TypeError, ValueError):
        return pack_list(values)
    with np.errstate(over="ignore"):
        exact = (letter for letter in REAL if np.array_equal(numbers.astype(letter), numbers, equal_nan=True))
        return _bytes(numbers, next(exact))


def pack_list(values: Sequence[Any]) -> bytes:
    """Anything as it is; what JSON has no word for, as an object that says what it was."""
    return json.dumps([*values], default=lambda value: {"unknown": repr(value)}).encode()


def is_list(column: bytes) -> bool:
    """Whether a column holds something else than numbers."""
    return column[:1] == _LIST


def values_of(column: bytes, samples: int, *, draws: bool = False) -> list[Any]:
    """What a column holds, a value or (`draws`) a list a sample. Raises `ValueError` for what nobody has packed."""
    found: list[Any] = json.loads(column) if is_list(column) else joined([column], [samples], draws=draws).tolist()
    if len(found) != samples:
        raise ValueError(f"a column has {len(found)} values where there are {samples} samples")
    return found


def joined(columns: Sequence[bytes], samples: Sequence[int], *, draws: bool = False) -> NDArray[Any]:
    """The numbers of columns of so many `samples` each, one below the other: (N,), or with `draws` (N, draws).

    Raises `ValueError` for what nobody has packed.
    """
    if not columns:
        return np.zeros((0, 0) if draws else 0, dtype=np.int8)
    letter = columns[0][:1]
    if any(column[:1] != letter for column in columns):
        pairs = zip(columns, samples, strict=True)
        return np.concatenate([joined([column], [count], draws=draws) for column, count in pairs])
    if letter not in _TYPES:
        raise ValueError(f"a column is of the unknown type {letter!r}")
    # Shards of one type, which nearly all are, are read in one go.
    kind, total = _TYPES[letter], sum(samples)
    width = (len(columns[0]) - 1) // (kind.itemsize * max(samples[0], 1)) if draws else 1
    if any(len(column) != 1 + kind.itemsize * width * count for column, count in zip(columns, samples, strict=True)):
        raise ValueError(f"a column has not {width} values for each of its samples")
    numbers = np.frombuffer(b"".join([column[1:] for column in columns]), kind)
    return numbers.reshape(total, width) if draws else numbers


def _bytes(numbers: NDArray[Any], letter: str) -> bytes:
    return letter.encode() + numbers.astype(_TYPES[letter.encode()]).tobytes()
