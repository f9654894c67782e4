"""The errors that bench raises on purpose: each message says what was wrong, what was found and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class BenchError(Exception):
    """A deliberate failure; the command line prints its sentence without a traceback and exits with `exit_code`."""

    exit_code = 1
    kind = "failure"
    """What programs are told that it is."""
    local = False
    """Whether it may be this machine's or this device's alone, so that elsewhere it may go well."""


class Control(BaseException):
    """What the harness itself raises through a plugin to end it: no failure of the plugin's, nor for it to catch."""


PASSING = (KeyboardInterrupt, GeneratorExit, Control)
"""What ends a call and is nobody's failure."""


class UsageError(BenchError):
    """The request itself cannot be carried out: an unknown name, a value out of range, too many samples."""

    exit_code = 2
    kind = "usage"


class DataError(BenchError):
    """A data set is missing, unreadable, or no longer the one that a plan was made for."""

    exit_code = 2
    kind = "data"


class WeightsError(BenchError):
    """A checkpoint is missing, corrupt, of another architecture, or of a kind that would execute code."""

    exit_code = 2
    kind = "weights"


class PluginError(BenchError):
    """A plugin cannot be imported, raises, or breaks its contract; `culprit` is its name where that is known."""

    kind = "plugin"
    culprit: str | None = None

    def __init__(self, *words: object, culprit: str | None = None) -> None:
        super().__init__(*words)
        self.culprit = culprit


class StoreError(BenchError):
    """The store cannot be opened, read or written."""

    kind = "store"


def kind_of(error: BenchError) -> str:
    """The name of an error's class, or of the first that it is made of which lies here, for another process to read."""
    return next(kind.__name__ for kind in type(error).__mro__ if kind.__module__ == __name__)


def error_of(kind: object, sentence: object) -> BenchError:
    """The error that another process named by `kind_of`; a `PluginError` where it named none."""
    known = {each.__name__: each for each in (BenchError, UsageError, DataError, WeightsError, StoreError)}
    return known.get(str(kind), PluginError)(str(sentence))


def closest(name: str, known: Iterable[str]) -> str:
    """A ' Did you mean ...?' for the known name nearest to `name`; without one, the list of known names."""
    names = sorted(known)
    match = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    if match:
        return f" Did you mean {match[0]!r}?"
    return f" Known are: {', '.join(names)}." if names else ""
