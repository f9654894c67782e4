"""Whether code that ran in this process has put its own in the place of the harness's."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from pathlib import Path

from bench.domain.errors import PluginError


class TamperedError(PluginError):
    """A plugin has put its own code in the place of the harness's; the process it did this in is worth nothing more."""


class Seal:
    """The functions of bench as they are now, to be compared with what they are once plugins have run."""

    def __init__(self) -> None:
        self._known = dict(_functions())

    def check(self) -> None:
        """Raise a `TamperedError` that names what was replaced, and by whose code."""
        now = dict(_functions())
        for name, (function, code) in self._known.items():
            found, its_code = now.get(name, (None, None))
            if found is not function or its_code is not code:
                file = getattr(its_code, "co_filename", None)
                culprit = Path(file).name if file else "a plugin"
                raise TamperedError(
                    f"{culprit} replaced {name}, which is the harness's own; nothing that follows is evidence.",
                    culprit=culprit,
                )


def _functions() -> Iterator[tuple[str, tuple[object, object]]]:
    """Every function and method of bench by its full name, with its code."""
    for module in [module for name, module in list(sys.modules.items()) if name.partition(".")[0] == "bench"]:
        for name, thing in list(vars(module).items()):
            if isinstance(thing, types.FunctionType):
                yield f"{module.__name__}.{name}", (thing, thing.__code__)
            elif isinstance(thing, type) and thing.__module__.partition(".")[0] == "bench":
                yield from _methods(f"{module.__name__}.{name}", thing)


def _methods(owner: str, kind: type) -> Iterator[tuple[str, tuple[object, object]]]:
    for name, thing in list(vars(kind).items()):
        inner = thing.__func__ if isinstance(thing, classmethod | staticmethod) else thing
        inner = thing.fget if isinstance(thing, property) else inner
        if isinstance(inner, types.FunctionType):
            yield f"{owner}.{name}", (inner, inner.__code__)
