"""The workers of a run: at most so many at work, each job in a process of its role."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Any

from bench.evaluation.workers import Report, Role, Worker

if TYPE_CHECKING:
    from bench.loading.door import Introduction

MOST_URGENT: tuple[Role, ...] = ("replay", "judge", "craft")
"""What is nearest to a finished shard comes first, so that as little as possible is lost when a run is killed."""

REPLAYS = 4
"""Replays are short: one worker in so many is enough for them."""


@dataclass(frozen=True)
class Job:
    """A job for a role; `of` says to the one who gave it what it was for. Its task is made when a worker is free."""

    role: Role
    task: Callable[[], Any]
    of: Any


class Crew:
    """Workers that all plans of a call share; a context manager that ends them.

    `device` is asked at the first job, so that finished plans need no torch. `workers` None leaves their number to the
    device and to the `shards` at hand then. `introductions` are those of the defenses that were met so far.
    """

    def __init__(self, device: Callable[[], str], workers: int | None = None) -> None:
        self.introductions: dict[str, Introduction] = {}
        self._device, self._wanted = device, workers
        self._name: str | None = None
        self._slots = 0
        self._queues: dict[Role, deque[Job]] = {role: deque() for role in MOST_URGENT}
        self._idle: dict[Role, list[Worker]] = {role: [] for role in MOST_URGENT}
        self._busy: dict[Any, tuple[Worker, Job]] = {}

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, *failure: Any) -> None:
        self.abandon()
        for idle in self._idle.values():
            while idle:
                idle.pop().close()

    def expect(self, shards: int) -> None:
        """So many shards are at hand; decides how many workers there are, once."""
        if self._name is None:
            self._name = self._device()
            self._slots = self._wanted or default_workers(self._name, shards)

    def submit(self, job: Job) -> None:
        """Run a job when there is a worker for it."""
        self._queues[job.role].append(job)

    def reports(self) -> Iterator[tuple[Job, Report]]:
        """What the workers say, until every job is finished; jobs may be submitted meanwhile."""
        while self._fill():
            for connection in wait(list(self._busy)):
                worker, job = self._busy[connection]
                report = worker.read()
                if report.finished:
                    del self._busy[connection]
                    if report.spent:
                        worker.close()
                    else:
                        self._idle[worker.role].append(worker)
                yield job, report

    def abandon(self) -> None:
        """Forget the jobs that wait, and end the workers that are at one."""
        for queue in self._queues.values():
            queue.clear()
        for worker, _ in self._busy.values():
            worker.close()
        self._busy.clear()

    def _fill(self) -> bool:
        """Give every free slot a job; whether anything is running."""
        for role in MOST_URGENT:
            while self._queues[role] and len(self._busy) < self._slots:
                worker = self._free(role)
                if worker is None:
                    break
                job = self._queues[role].popleft()
                worker.start(job.task())
                self._busy[worker.connection] = worker, job
        return bool(self._busy)

    def _free(self, role: Role) -> Worker | None:
        """A worker for a role; None where as many as are worth their start are busy with it."""
        if self._idle[role]:
            return self._idle[role].pop()
        busy = sum(worker.role == role for worker, _ in self._busy.values())
        if role == "replay" and busy >= max(1, self._slots // REPLAYS):
            return None
        assert self._name is not None  # expect() has been called
        return Worker(role, self._name)


def default_workers(device: str, shards: int) -> int:
    """One on a GPU; on the CPU as many as there are cores for the shards at hand."""
    if device != "cpu":
        return 1
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores, shards))
