"""How far one long call of a plugin is, told to whoever watches the shard."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.domain.defense import Watch

_LONGEST = 40
"""Letters of a plugin's note that are shown."""
_watchers: list[Watch] = []
"""Not a context variable: autograd goes back through a classifier in threads of its own, which would not see it."""

_turn = threading.RLock()
"""For parts that are computed side by side."""


def tick(done: float, total: float, note: str = "") -> None:
    """Say that `done` of `total` parts of the call that is running are finished; nothing where nobody watches.

    For loops inside a classifier that may take minutes. It costs microseconds, so that it may be called in each turn.
    """
    if _watchers:
        with _turn:
            _watchers[-1](done, total, note)


def ignore(done: float, total: float, note: str = "") -> None:
    """A `Watch` that looks away."""


@contextmanager
def watched(watch: Watch) -> Iterator[Watch]:
    """A scope in which ticks reach `watch`, as a note beside the last that it was told by the scope's own watch."""
    last: tuple[float, float, str] = (0.0, 1.0, "")

    def told(done: float, total: float, note: str = "") -> None:
        nonlocal last
        last = done, total, note
        watch(done, total, note)

    def ticked(done: float, total: float, note: str = "") -> None:
        further = f"{done:,.0f} of {total:,.0f} {note[:_LONGEST]}".rstrip()
        watch(last[0], last[1], f"{last[2]}: {further}" if last[2] else further)

    _watchers.append(ticked)
    try:
        yield told
    finally:
        _watchers.remove(ticked)
