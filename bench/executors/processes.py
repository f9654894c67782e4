"""Processes on this machine, a role each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from multiprocessing.connection import wait
from typing import cast

from bench.executors.contract import Report, Role, Seat
from bench.executors.devices import Place, places_of
from bench.executors.worker import Worker, end, make_ready

LISTEN_SECONDS = 30.0
"""How often at least it is looked whether a process that has not begun is late."""


class Processes:
    """Runs jobs in processes on `device`, so many `workers` at once; None leaves their number to the device.

    `device` is asked when there is work, so that finished plans need no torch.
    """

    def __init__(self, device: Callable[[], str], workers: int | None = None) -> None:
        self._device, self._wanted = device, workers
        self._places: dict[str, Place] = {}
        self._open: list[Worker] = []

    def places(self, jobs: int) -> Mapping[str, int]:
        """The machine's devices, decided once."""
        if not self._places:
            make_ready()  # the device may be asked of torch, which takes as long to read here as there
            self._places = places_of(self._device(), self._wanted, jobs)
        return {name: place.at_once for name, place in self._places.items()}

    def seat(self, role: Role, place: str) -> Seat:
        """A new process."""
        found = self._places[place]
        self._open = [worker for worker in self._open if not worker.connection.closed]
        self._open.append(Worker(role, found.device, place, found.visible, found.cores))
        return self._open[-1]

    def hear(self, busy: Sequence[Seat], seconds: float | None) -> Sequence[tuple[Seat, Report]]:
        """What the busy processes say."""
        workers = {worker.connection: worker for worker in cast(Sequence[Worker], busy)}
        found: list[tuple[Seat, Report]] = []
        for connection in wait(list(workers), LISTEN_SECONDS if seconds is None else min(seconds, LISTEN_SECONDS)):
            worker = workers[connection]
            report = worker.read()
            if report is not None:
                found.append((worker, report))
        return found or [(worker, worker.give_up()) for worker in workers.values() if worker.is_late]

    def close(self) -> None:
        """End all processes at once."""
        end(worker for worker in self._open if not worker.connection.closed)
        self._open.clear()
