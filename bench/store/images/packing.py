"""Crafted images as they lie on disk: compressed, arrays of few values as codes of a byte, and back bit for bit."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

WIDTHS = {"F64": 8, "I64": 8, "U64": 8, "F32": 4, "I32": 4, "U32": 4, "F16": 2, "BF16": 2, "I16": 2, "U16": 2}
"""Bytes a number by the name that safetensors gives its type; of others the bytes are taken as they are."""
LARGEST = 1 << 31
"""Bytes beyond which content is neither packed nor unpacked: a small file of a stranger's must not fill the memory."""
FEW = 4096
"""An array of no more values is written as codes: of a byte for up to 256 of them, as images of 8 bits have, else of
two bytes, as those have that steps of one size have moved."""
_NAME = "packed"
_LEVEL = 1  # higher ones take four times as long for a tenth less
_SAMPLE = 1 << 16
_PLAIN, _SHUFFLED, _CODED = range(3)
_SEGMENT = struct.Struct("<BBQQ")  # how it is written, bytes a number, bytes before and after
_VALUES = struct.Struct("<H")


def pack(content: bytes) -> bytes:
    """The same content smaller, as a safetensors file whose one array `packed` is compressed; or the content itself,
    where that is no smaller."""
    if len(content) > LARGEST:
        return content
    from safetensors.numpy import save

    segments = b"".join(_segment(part, width) for part, width in _parts(content))
    packed = save({_NAME: np.frombuffer(segments, np.uint8)})
    return packed if len(packed) < len(content) else content


def unpack(packed: bytes) -> bytes | None:
    """What `pack` was given; None for what it cannot have made. Never raises for what somebody else has written."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        arrays = load(packed)
        if set(arrays) != {_NAME} or arrays[_NAME].dtype != np.uint8:
            return None
        return b"".join(_segments(arrays[_NAME].tobytes()))
    except (SafetensorError, struct.error, zlib.error, ValueError, TypeError, IndexError, MemoryError):
        return None


def _parts(content: bytes) -> Iterator[tuple[bytes, int]]:
    """The header of a safetensors file and its arrays, each with its bytes a number; all in one where it is none."""
    try:
        start = 8 + int.from_bytes(content[:8], "little")
        header: dict[str, Any] = json.loads(content[8:start])
        arrays = sorted((found for name, found in header.items() if name != "__metadata__"), key=_place)
        ends = [0, *(_place(found)[1] for found in arrays)]
        sizes = [WIDTHS.get(found["dtype"], 1) * prod(found["shape"]) for found in arrays]
        tiled = [_place(found)[0] for found in arrays] == ends[:-1] and start + ends[-1] == len(content)
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        tiled = False
    if not tiled:
        yield content, 1
        return
    yield content[:start], 1
    for found, size, begin, end in zip(arrays, sizes, ends, ends[1:], strict=False):
        yield content[start + begin : start + end], WIDTHS.get(found["dtype"], 1) if size == end - begin else 1


def _place(found: dict[str, Any]) -> tuple[int, int]:
    begin, end = found["data_offsets"]
    return int(begin), int(end)


def _segment(part: bytes, width: int) -> bytes:
    """A part, and before it how it is written: as it is, byte by byte of its numbers, or as codes."""
    coding, written = _PLAIN, part
    if width > 1:
        numbers = np.frombuffer(part, f"<u{width}")
        coded = _coded(numbers)
        if coded is not None:
            coding, written = _CODED, coded
        else:
            sample = numbers[: _SAMPLE // width]
            if len(zlib.compress(_shuffled(sample), _LEVEL)) < len(zlib.compress(sample.tobytes(), _LEVEL)):
                coding, written = _SHUFFLED, _shuffled(numbers)
    data = zlib.compress(written, _LEVEL)
    return _SEGMENT.pack(coding, width, len(part), len(data)) + data


def _coded(numbers: NDArray[Any]) -> bytes | None:
    """The values, ascending, and a code a number that says which it is; None where there are more than a few values.

    Values are told apart by their bits, so that -0 and every NaN come back as they were.
    """
    if len(np.unique(numbers[:_SAMPLE])) > FEW:
        return None
    values, codes = np.unique(numbers, return_inverse=True)
    if len(values) > FEW or 256 < len(values) > len(numbers) // 8:  # else the values outweigh what the codes save
        return None
    return _VALUES.pack(len(values)) + values.tobytes() + _shuffled(codes.astype(f"<u{_code_width(len(values))}"))


def _code_width(values: int) -> int:
    return 1 if values <= 256 else 2


def _shuffled(numbers: NDArray[Any]) -> bytes:
    """The first bytes of all numbers, then all second ones, and so on."""
    return np.ascontiguousarray(numbers.view(np.uint8).reshape(-1, numbers.dtype.itemsize).T).tobytes()


def _segments(stream: bytes) -> Iterator[bytes]:
    at, total = 0, 0
    while at < len(stream):
        coding, width, size, length = _SEGMENT.unpack_from(stream, at)
        total += size
        if total > LARGEST:
            raise ValueError
        at += _SEGMENT.size
        limit = size + _VALUES.size + FEW * width  # no part is written longer
        decompressor = zlib.decompressobj()
        written = decompressor.decompress(stream[at : at + length], limit)
        if not decompressor.eof:
            raise ValueError
        yield _read(coding, width, size, written)
        at += length


def _read(coding: int, width: int, size: int, written: bytes) -> bytes:
    if coding == _CODED:
        (count,) = _VALUES.unpack_from(written)
        start, code = _VALUES.size + count * width, _code_width(count)
        if (len(written) - start) * width != size * code:
            raise ValueError
        values = np.frombuffer(written[_VALUES.size : start], f"<u{width}")
        numbers: NDArray[Any] = values[np.frombuffer(_unshuffled(written[start:], code), f"<u{code}")]
        return numbers.tobytes()
    return _unshuffled(written, width) if coding == _SHUFFLED else written


def _unshuffled(planes: bytes, width: int) -> bytes:
    return np.ascontiguousarray(np.frombuffer(planes, np.uint8).reshape(width, -1).T).tobytes()
