"""One slot of a cluster, on the machine where it is: its role processes, and what they say as bytes."""

from __future__ import annotations

import os
import sys
import tempfile
import threading
import time
from dataclasses import fields
from pathlib import Path
from typing import Any

from bench.executors.contract import Role
from bench.executors.parcels import Parcel, opened
from bench.executors.wire import pack
from bench.executors.worker import Worker

HEAR_SECONDS = 2.0
"""For so long it is listened before it is said that there is nothing to say."""


class Slot:
    """Runs the processes of one slot; they end with the process that this is in.

    What they say is passed on as bytes that only name data, since whoever asked is on another machine.
    """

    def __init__(self, device: str) -> None:
        vars(sys.modules["__main__"]).pop("__file__", None)  # or each process would read the cluster's own program
        self._device = device
        self._workers: dict[int, Worker] = {}
        self._lock = threading.Lock()

    def up(self) -> bool:
        """That it is there."""
        return True

    def start(self, number: int, role: Role, job: Any, parcel: Parcel) -> None:
        """Give a job, and the files that are in its parcel, to the process with this number; it is made where there is
        none."""
        import ray

        job = opened(job, parcel, ray.get, Path(tempfile.gettempdir()) / f"bench-{os.getuid()}")
        with self._lock:
            if number not in self._workers:
                self._workers[number] = Worker(role, self._device)
            self._workers[number].start(job)

    def hear(self, number: int) -> list[bytes]:
        """What a process says of its job next, waiting for a while."""
        until = time.monotonic() + HEAR_SECONDS
        while time.monotonic() < until:
            with self._lock:
                worker = self._workers.get(number)  # it may not be there yet, or no more
                report = None
                if worker is not None and worker.connection.poll():
                    report = worker.read()
                elif worker is not None and worker.is_late:
                    report = worker.give_up()
                if report is not None:
                    return [pack(tuple(getattr(report, each.name) for each in fields(report)))]
            time.sleep(0.002)
        return []

    def close(self, number: int) -> None:
        """End a process."""
        with self._lock:
            worker = self._workers.pop(number, None)
            if worker is not None:
                worker.close()
