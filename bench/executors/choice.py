"""An executor by its name."""

from __future__ import annotations

from collections.abc import Callable

from bench.domain.errors import UsageError, closest
from bench.executors.contract import Executor

HERE, PROCESSES = "here", "processes"
NAMES = (HERE, PROCESSES)
DEFAULT = PROCESSES


def find_executor(name: str, device: Callable[[], str], workers: int | None = None) -> Executor:
    """The executor with this name: 'here' runs one job at a time, 'processes' as many as the machine can, or `workers`.

    Raises `UsageError` for an unknown name, and for workers that cannot be.
    """
    from bench.executors.processes import Processes

    if name == PROCESSES:
        return Processes(device, workers)
    if name == HERE:
        if workers not in (None, 1):
            raise UsageError(f"The executor 'here' runs one job at a time; leave out --workers {workers}.")
        return Processes(device, 1)
    raise UsageError(f"No executor is called {name!r}.{closest(name, NAMES)}")
