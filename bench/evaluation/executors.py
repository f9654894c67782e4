"""Who runs shards: this process, or several single-threaded ones beside it."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from multiprocessing.queues import SimpleQueue
from pathlib import Path
from typing import Any, Protocol

from bench.domain.errors import BenchError
from bench.domain.outcome import ShardResult
from bench.domain.plan import Plan, Shard
from bench.evaluation.arena import Arena
from bench.store.artifacts import Artifacts

ShardWatch = Callable[[str, int, float, float, str], None]
"""Told of progress inside a shard: plan digest, shard index, done, total, note."""

_SECONDS_BETWEEN_REPORTS = 0.1
_ARENAS_KEPT = 2  # a plan and its source's


@dataclass(frozen=True)
class Site:
    """Where shards run and find their data; changes no result."""

    device: str
    data_dir: Path | None
    artifacts: Path
    workers: int


@dataclass(frozen=True)
class Job:
    """A shard to run; `crafted` names the source's images where its plan has a source."""

    plan: Plan
    shard: Shard
    crafted: str | None = None


class ShardError(BenchError):
    """A shard that did not finish: its sentence, and the traceback for `--debug`."""

    def __init__(self, sentence: str, details: str = "") -> None:
        super().__init__(sentence, details)  # both as arguments, so that the error survives pickling
        self.details = details

    def __str__(self) -> str:
        return str(self.args[0])


class Executor(Protocol):
    """Runs at most `slots` jobs at a time."""

    slots: int

    def submit(self, job: Job) -> Future[ShardResult]: ...


class Here:
    """Runs each job at once, in this process."""

    slots = 1

    def __init__(self, site: Site, watch: ShardWatch) -> None:
        self._runner = Runner(site, watch)

    def submit(self, job: Job) -> Future[ShardResult]:
        future: Future[ShardResult] = Future()
        try:
            future.set_result(self._runner.run(job))
        except ShardError as failure:
            future.set_exception(failure)
        return future


class Processes:
    """Runs jobs in worker processes; each keeps the arenas it has loaded."""

    def __init__(self, pool: ProcessPoolExecutor, slots: int) -> None:
        self._pool = pool
        self.slots = slots

    def submit(self, job: Job) -> Future[ShardResult]:
        return self._pool.submit(_run_in_worker, job)


class Runner:
    """Loads arenas as jobs ask for them and runs their shards."""

    def __init__(self, site: Site, watch: ShardWatch) -> None:
        self._site = site
        self._watch = watch
        self._arenas: dict[str, Arena] = {}
        self._unusable: dict[str, ShardError] = {}

    def run(self, job: Job) -> ShardResult:
        """The job's result; `ShardError` says why there is none."""
        last = 0.0

        def watch(done: float, total: float, note: str = "") -> None:
            nonlocal last
            if time.monotonic() - last > _SECONDS_BETWEEN_REPORTS:
                last = time.monotonic()
                self._watch(job.plan.digest, job.shard.index, done, total, note)

        arena = self._arena(job.plan)
        with _as_shard_error(f"Shard {job.shard.index}"):
            return arena.run(job.shard, watch, job.crafted)

    def _arena(self, plan: Plan) -> Arena:
        """The plan's arena; what cannot be loaded once is not tried for every shard."""
        if plan.digest in self._unusable:
            raise self._unusable[plan.digest]
        if plan.digest not in self._arenas:
            while len(self._arenas) >= _ARENAS_KEPT:
                self._arenas.pop(next(iter(self._arenas)))
            try:
                with _as_shard_error(f"Loading {plan.defense.name}"):
                    self._arenas[plan.digest] = self._load(plan)
            except ShardError as error:
                self._unusable[plan.digest] = error
                raise
        return self._arenas[plan.digest]

    def _load(self, plan: Plan) -> Arena:
        return Arena.load(plan, self._site.device, self._site.data_dir, Artifacts(self._site.artifacts))


@contextmanager
def _as_shard_error(what: str) -> Iterator[None]:
    try:
        yield
    except BenchError as error:
        raise ShardError(str(error), traceback.format_exc()) from None
    except Exception as error:
        raise ShardError(f"{what} failed with {type(error).__name__}: {error}", traceback.format_exc()) from None


@contextmanager
def open_executor(site: Site, watch: ShardWatch) -> Iterator[Executor]:
    """The executor that fits a site: this process for one worker, else that many processes, ended on leaving."""
    if site.workers == 1:
        yield Here(site, watch)
        return
    context = multiprocessing.get_context("spawn")
    reports: SimpleQueue[tuple[str, int, float, float, str] | None] = context.SimpleQueue()
    pool = ProcessPoolExecutor(site.workers, context, initializer=_start_worker, initargs=(site, reports))
    listener = threading.Thread(target=_forward, args=(reports, watch), daemon=True)
    listener.start()
    try:
        yield Processes(pool, site.workers)
    except BaseException:
        _end(pool)
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        reports.put(None)
        listener.join()


class Crew:
    """An executor that is opened at the first work and shared by all plans of a call; a context manager.

    `device` is asked only then, so that finished plans need no torch. `workers` None leaves their number to the device
    and to the first plan's shards.
    """

    def __init__(
        self, device: Callable[[], str], data_dir: Path | None, artifacts: Path, watch: ShardWatch, workers: int | None
    ) -> None:
        self._device, self._data_dir, self._artifacts = device, data_dir, artifacts
        self._watch, self._workers = watch, workers
        self._executor: Executor | None = None
        self._open = ExitStack()

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, *failure: Any) -> None:
        self._open.__exit__(*failure)

    def executor(self, shards: int) -> Executor:
        """The executor; `shards` is how many there are at hand."""
        if self._executor is None:
            device = self._device()
            site = Site(device, self._data_dir, self._artifacts, self._workers or default_workers(device, shards))
            self._executor = self._open.enter_context(open_executor(site, self._watch))
        return self._executor


def default_workers(device: str, shards: int) -> int:
    """One process on a GPU; on the CPU as many as there are cores for the shards at hand."""
    if device != "cpu":
        return 1
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores, shards))


_runner: Runner | None = None


def _start_worker(site: Site, reports: SimpleQueue[tuple[str, int, float, float, str] | None]) -> None:
    global _runner
    import signal

    # Ctrl-C reaches the whole process group; the parent alone decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_die_with_parent, daemon=True).start()
    _runner = Runner(site, lambda *report: reports.put(report))


def _run_in_worker(job: Job) -> ShardResult:
    assert _runner is not None  # the pool's initializer has run
    return _runner.run(job)


def _die_with_parent() -> None:
    """A killed parent must not leave workers behind that compute for nobody."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _end(pool: ProcessPoolExecutor) -> None:
    for process in list((pool._processes or {}).values()):
        process.terminate()


def _forward(reports: SimpleQueue[tuple[str, int, float, float, str] | None], watch: ShardWatch) -> None:
    while (report := reports.get()) is not None:
        watch(*report)
