"""An executor by its name."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec

from bench.domain.errors import UsageError, closest
from bench.executors.contract import Executor

HERE, PROCESSES, RAY = "here", "processes", "ray"
NAMES = (HERE, PROCESSES, RAY)
DEFAULT = PROCESSES


def find_executor(name: str, device: Callable[[], str], workers: int | None = None) -> Executor:
    """The executor with this name: 'here' runs one job at a time, 'processes' as many as the machine can, or `workers`,
    'ray' as many as a cluster can, and 'ray=HOST:PORT' as many as the one there.

    Raises `UsageError` for an unknown name, for workers that cannot be, and for Ray where it is not installed.
    """
    kind, _, address = name.partition("=")
    if kind == RAY:
        from bench.executors.cluster import Cluster

        if find_spec("ray") is None:
            raise UsageError("Ray is not installed; add it with `pip install 'defense-bench[ray]'`.")
        return Cluster(device, workers, address or None)
    from bench.executors.processes import Processes

    if name == PROCESSES:
        return Processes(device, workers)
    if name == HERE:
        if workers not in (None, 1):
            raise UsageError(f"The executor 'here' runs one job at a time; leave out --workers {workers}.")
        return Processes(device, 1)
    raise UsageError(f"No executor is called {name!r}.{closest(name, NAMES)}")
