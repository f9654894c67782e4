"""What Python hands over where a command line would have parsed a word."""

from __future__ import annotations

import operator
from typing import Any

from bench.domain.errors import UsageError


def whole(name: str, value: Any, least: int | None = None) -> int | None:
    """A whole number, numpy's too, or None. Raises `UsageError` for anything else and below `least`."""
    if value is None:
        return None
    try:
        found = operator.index(value)
    except TypeError:
        found = None
    if found is None or isinstance(value, bool):
        raise UsageError(f"{name} must be a whole number; got {value!r}.")
    if least is not None and found < least:
        raise UsageError(f"{name} must be at least {least}; got {found}.")
    return found


def of_type(name: str, value: Any, *kinds: type) -> Any:
    """The same value if it is of one of these types or None; else a `UsageError` that names them."""
    if value is not None and not isinstance(value, kinds):
        known = " or ".join("true or false" if kind is bool else kind.__name__ for kind in kinds)
        raise UsageError(f"{name} must be {known}; got {value!r}.")
    return value
