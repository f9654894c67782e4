"""Whether code that ran in this process has put its own in the place of the harness's."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator, Mapping
from pathlib import Path

from bench.domain.errors import PluginError


class TamperedError(PluginError):
    """A plugin has put its own code in the place of the harness's; the process it did this in is worth nothing more."""


class Seal:
    """The functions of bench as they are now, to be compared with what they are once plugins have run."""

    def __init__(self) -> None:
        self._known = _functions()
        self._standing = list(_standing())

    def check(self) -> None:
        """Raise a `TamperedError` that names what was replaced, and by whose code."""
        if self._is_whole():
            return
        now = _functions()
        for name, (function, code) in self._known.items():
            found, its_code = now.get(name, (None, None))
            if found is not function or its_code is not code:
                file = getattr(its_code, "co_filename", None)
                culprit = Path(file).name if file else "a plugin"
                raise TamperedError(
                    f"{culprit} replaced {name}, which is the harness's own; nothing that follows is evidence.",
                    culprit=culprit,
                )

    def _is_whole(self) -> bool:
        """Whether all stand where they stood, with the code that they had; to name each of them takes ten times as
        long."""
        stands = all(names.get(name) is thing for names, name, thing, _ in self._standing)
        return stands and all(function.__code__ is code for function, code in self._known.values())


def _standing() -> Iterator[tuple[Mapping[str, object], str, object, str]]:
    """Every module of bench, its functions and classes, and their methods: where each is found and under which name,
    what it is, and its full name."""
    modules = [(name, module) for name, module in list(sys.modules.items()) if name.partition(".")[0] == "bench"]
    for place, module in modules:
        yield sys.modules, place, module, place
        for name, thing in list(vars(module).items()):
            full = f"{module.__name__}.{name}"
            if isinstance(thing, types.FunctionType):
                yield vars(module), name, thing, full
            elif isinstance(thing, type) and thing.__module__.partition(".")[0] == "bench":
                yield vars(module), name, thing, full
                held = [(inner, method) for inner, method in list(vars(thing).items()) if _inner(method)]
                yield from ((vars(thing), inner, method, f"{full}.{inner}") for inner, method in held)


def _functions() -> dict[str, tuple[types.FunctionType, types.CodeType]]:
    """Every function and method of bench by its full name, with its code."""
    found = ((full, _inner(thing)) for _, _, thing, full in _standing())
    return {full: (inner, inner.__code__) for full, inner in found if inner is not None}


def _inner(thing: object) -> types.FunctionType | None:
    """The function in a method of whatever kind."""
    inner = thing.__func__ if isinstance(thing, classmethod | staticmethod) else thing
    inner = inner.fget if isinstance(inner, property) else inner
    return inner if isinstance(inner, types.FunctionType) else None
