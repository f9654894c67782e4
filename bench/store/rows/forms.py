"""Whether what lies in a database has the form that bench gives it: JSON text, numbers, words, data classes."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from bench.domain.errors import BenchError
from bench.plugins.settings import LARGEST

UNREADABLE = (
    *(BenchError, ArithmeticError, AttributeError, LookupError, MemoryError, RecursionError, TypeError, ValueError),
)
"""What reading a row may raise that holds something else than bench has ever written."""
DEEPEST = 50
"""Lists and objects within one another in a document."""

_SHA256 = re.compile("[0-9a-f]{64}")

Test = Callable[[Any], bool]


def parsed(text: Any) -> Any:
    """What a JSON text says. Raises `ValueError` for none, for one that is nested so deeply that handling it would
    exhaust the stack, and for letters that no file could hold."""
    if not isinstance(text, str):
        raise ValueError("a document is missing")
    try:
        found = json.loads(text)
    except RecursionError:
        raise ValueError("its lists are nested too deeply") from None
    if sum(map(text.count, "[{")) > DEEPEST and _depth(found) > DEEPEST:
        raise ValueError("its lists are nested too deeply")
    if "\\" in text or not text.isascii():
        json.dumps(found, ensure_ascii=False).encode()  # half a letter has no encoding
    return found


def is_whole(value: Any, least: int = 0) -> bool:
    """Whether it is a whole number from `least` on that a database can hold."""
    return type(value) is int and least <= value < LARGEST


def is_length(value: Any) -> bool:
    """Whether it is a finite number from 0 on."""
    return type(value) in (int, float) and 0 <= value < LARGEST and math.isfinite(value)


def is_text(value: Any) -> bool:
    """Whether it is text of letters that a file can hold."""
    if not isinstance(value, str):
        return False
    try:
        return value.isascii() or bool(value.encode())
    except UnicodeEncodeError:
        return False


def is_sha256(value: Any) -> bool:
    """Whether it is a SHA-256 in hexadecimal digits."""
    return isinstance(value, str) and _SHA256.fullmatch(value) is not None


def misfit(thing: Any) -> str | None:
    """The first field of a data class that holds something else than its annotation says, or a number below 0; None
    where they all fit."""
    kind: Any = type(thing)
    tests = _fields(kind)
    return next((name for name, test in tests.items() if not test(getattr(thing, name))), None)


@cache
def _fields(kind: Any) -> dict[str, Test]:
    return {name: _test(hint) for name, hint in get_type_hints(kind).items()}


def _test(hint: Any) -> Test:
    """What says whether a value is of an annotation's type."""
    simple: dict[Any, Test] = {
        bool: lambda value: type(value) is bool,
        int: is_whole,
        float: is_length,
        str: is_text,
        NoneType: lambda value: value is None,
        Any: lambda value: True,
    }
    if hint in simple:
        return simple[hint]
    if is_dataclass(hint) and isinstance(hint, type):
        return lambda value: isinstance(value, hint) and misfit(value) is None
    origin, parts = get_origin(hint), get_args(hint)
    if origin is Literal:
        return lambda value: isinstance(value, str) and value in parts
    tests = [_test(part) for part in parts if part is not ...]
    if origin in (Union, UnionType):
        return lambda value: any(test(value) for test in tests)
    if origin is tuple and ... in parts:
        return lambda value: isinstance(value, tuple) and all(map(tests[0], value))
    if origin is tuple:
        return lambda value: (
            isinstance(value, tuple)
            and len(value) == len(tests)
            and all(test(part) for test, part in zip(tests, value, strict=True))
        )
    if origin in (Mapping, dict):
        key, held = tests
        return lambda value: isinstance(value, dict) and all(key(name) and held(part) for name, part in value.items())
    raise TypeError(f"nothing says what {hint} is")


def _depth(value: Any) -> int:
    """How many lists and objects lie within one another."""
    depth, layer = 0, [value]
    while layer := [part for part in layer if isinstance(part, list | dict)]:
        depth += 1
        layer = [inner for part in layer for inner in (part.values() if isinstance(part, dict) else part)]
    return depth
