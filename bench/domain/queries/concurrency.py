"""Parts of one computation side by side, on the cores of a CPU that a process may use."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import torch

P = TypeVar("P")
R = TypeVar("R")

_part = threading.local()
"""Of a thread that computes parts, that it does."""


def concurrently(function: Callable[[P], R], parts: Iterable[P], device: torch.device) -> Iterator[R]:
    """What a function makes of each of some parts, in their order; on a CPU on as many cores as a shard has.

    Every part is computed on one of torch's threads and under the caller's autograd mode, as in a loop, so that the
    results are equal to the bit whatever the number of cores. For parts that know nothing of each other, and that
    switch nothing that a process has once: its generators, or the kernels of attention. Parts on other devices, parts
    of parts, and those of a process that runs torch on several threads anyway, are computed one after the other.
    """
    import torch

    todo = list(parts)
    is_spare = device.type == "cpu" and torch.get_num_threads() == 1 and not hasattr(_part, "running")
    cores = min(len(todo), torch.get_num_interop_threads()) if is_spare else 1
    if cores < 2:
        yield from map(function, todo)
        return
    records = torch.is_grad_enabled()

    def begin() -> None:
        torch.set_num_threads(1)
        _part.running = True

    def run(part: P) -> R:
        with torch.set_grad_enabled(records):
            return function(part)

    # made for the call: a process that is forked off meanwhile would wait for ever for threads that it has not
    with ThreadPoolExecutor(cores, initializer=begin) as pool:
        yield from pool.map(run, todo)
