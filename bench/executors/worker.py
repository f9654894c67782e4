"""A process of its own for one role: it is given jobs one at a time, and gives back plain data.

Plugins run in such processes alone. What one of them may know is decided by its role: crafting has the attack, its
victim and the labels; judging and replaying have a classifier and images.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import signal
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from multiprocessing import forkserver
from typing import Any

from bench.domain.errors import PluginError
from bench.executors.contract import TRIES, Report, Role
from bench.executors.life import live
from bench.executors.wire import unpack

_PRELOADED = (
    "torch",
    "numpy.random",
    "bench.executors.life",
    "bench.evaluation.shard.crafting",
    "bench.evaluation.shard.judging",
    "bench.evaluation.estimates.trying",
    "bench.evaluation.requests.answering",
    "bench.evaluation.estimates.pacing",
    "bench.evaluation.running.reading",
    "bench.evaluation.roles",
)
_KNOWN = "bench.executors.known"
"""What is asked and put away when all else is there."""
_ALLOCATOR = "glibc.malloc.mmap_threshold=33554432:glibc.malloc.trim_threshold=1073741824:glibc.malloc.hugetlb=1"
"""What glibc is told: to use memory again that was freed, up to 1 GiB, where it would map each block of megabytes anew
and the system zero its pages, and to take large pages. It is a tenth to a fifth of a network's pass of small images."""
_HIDDEN = ("BENCH_", "RAY_")
"""How the names of what is nothing that a plugin need know begin in the environment."""
_LIGHT = ("plan", "read")
"""Roles that need no torch, and start sooner without it where no server holds it yet."""
ENDED = "A worker process ended without a word"
START_SECONDS = 300.0
"""After so long a process that has not said a word yet is given up."""
END_SECONDS = 5.0
"""How long an ended process is waited for."""
_is_ready = False
"""Whether the server that processes are forked off was started."""


class Worker:
    """A process that runs jobs of one role on one device; `close` ends it and all that it has started.

    `place` is what the device is called here, `visible` the environment that makes it the only one, and `cores` how
    many of a CPU's one job may use.
    """

    def __init__(
        self, role: Role, device: str, place: str = "", visible: Mapping[str, str] | None = None, cores: int = 1
    ) -> None:
        context = _context(role)
        self.role, self.place = role, place or device
        self.connection, theirs = context.Pipe()
        settings = {name: value for name, value in os.environ.items() if not name.startswith(_HIDDEN)}
        settings |= visible or {}
        self._process = context.Process(target=live, args=(role, device, theirs, settings, cores))
        with _without_main():
            self._process.start()
        theirs.close()
        self._waiting: bytes | None = None
        self._is_up = self._has_just_ended = False
        self._since = time.monotonic()

    @property
    def is_late(self) -> bool:
        """Whether it has not said for too long that it is there."""
        return not self._is_up and time.monotonic() - self._since > START_SECONDS

    @property
    def was_killed(self) -> bool:
        """Whether a signal has ended it: the system's, or a person's."""
        return self._process.exitcode is not None and self._process.exitcode < 0

    def start(self, job: Any) -> None:
        """Give it a job, which it is sent when it has said that it is there; what comes of it is read later."""
        self._waiting = pickle.dumps(job, pickle.HIGHEST_PROTOCOL)
        if self._is_up:
            self._send()

    def read(self) -> Report | None:
        """The next thing it says of its job, None where that was but that it is there; of a process that ended without
        a word, that. Waits for it."""
        try:
            said = self.connection.recv_bytes()
        except (EOFError, OSError):
            self._has_just_ended = True
            self._process.join(END_SECONDS)
            code = self._process.exitcode
            how = f"killed by signal {-code}" if code is not None and code < 0 else f"exit code {code}"
            sentence = f"{ENDED} ({how}): out of memory, killed, or ended by a plugin."
            return Report(finished=True, failure=sentence, spent=True, lost=True)
        if not self._is_up:
            self._is_up = True
            self._send()
            return None
        try:
            return Report(*unpack(said))
        except (PluginError, TypeError) as error:
            return Report(finished=True, failure=str(error), spent=True)

    def give_up(self) -> Report:
        """What is to be said of one that is late."""
        sentence = f"A worker process for {self.place} did not start within {START_SECONDS:.0f} s; the machine is busy."
        return Report(finished=True, failure=sentence, spent=True, lost=True)

    def close(self) -> None:
        """End the process, whatever it is doing."""
        end([self])

    def _send(self) -> None:
        content, self._waiting = self._waiting, None
        if content is not None:
            with contextlib.suppress(OSError):  # of a dead one, reading from it will say that it is
                self.connection.send_bytes(content)


@contextlib.contextmanager
def _without_main() -> Iterator[None]:
    """Processes that start within do not run the program that is running here once more, as they would to find what is
    defined in it: a script that calls bench needs no `if __name__ == "__main__"`."""
    main: dict[str, Any] = vars(sys.modules["__main__"])
    before: dict[str, Any] = {name: main.pop(name) for name in ("__file__", "__spec__") if name in main}
    main["__spec__"] = None
    try:
        yield
    finally:
        del main["__spec__"]
        main.update(before)


def end(workers: Iterable[Worker]) -> None:
    """End all of these at once. A process that even a kill does not end is left to the system."""
    found = list(workers)
    for worker in found:
        worker.connection.close()
        _kill(worker)
    until = time.monotonic() + END_SECONDS
    for worker in found:
        worker._process.join(max(0.0, until - time.monotonic()))


def _kill(worker: Worker) -> None:
    """Kill a process and those that it has started, which are of its group; nothing is needed of it any more."""
    process = worker._process
    if process.pid is None or not (process.is_alive() or worker._has_just_ended):
        return  # of one that ended long ago the number may be another's by now
    if hasattr(os, "killpg"):
        with contextlib.suppress(OSError):  # it has no group of its own yet, or is gone
            os.killpg(process.pid, signal.SIGKILL)
    if process.is_alive():
        process.kill()


class Standing:
    """Answers jobs of one role one by one, in a process that is made at the first and stays until `close`.

    One that is killed is replaced, and its job begun again, three times in all: what a plugin does to its own process
    would only happen again.
    """

    def __init__(self, role: Role) -> None:
        self._role = role
        self._worker: Worker | None = None

    def __call__(self, job: Any) -> Any:
        """What a job gives. Raises `PluginError` where it fails."""
        for number in range(1, TRIES + 1):
            if self._worker is None:
                self._worker = Worker(self._role, "cpu")
            report = _outcome(self._worker, job)
            was_killed = report.lost and self._worker.was_killed
            if report.spent:
                self.close()
            if not was_killed or number == TRIES:
                break
        if report.failure is not None:
            raise PluginError(report.failure)
        return report.data

    def close(self) -> None:
        """End the process."""
        if self._worker is not None:
            self._worker.close()
            self._worker = None


def alone(role: Role, job: Any) -> Any:
    """What a job gives in a process that is made for it and ends with it. Raises `PluginError` where it fails."""
    with contextlib.closing(Standing(role)) as standing:
        return standing(job)


def _outcome(worker: Worker, job: Any) -> Report:
    worker.start(job)
    report = worker.read()
    while report is None or not report.finished:
        report = worker.read()
    return report


def make_ready(more: Iterable[str] = ()) -> None:
    """Have torch, and `more` modules, read for the processes that will need it, while this one goes on."""
    global _is_ready
    if sys.platform == "linux":
        multiprocessing.get_context("forkserver").set_forkserver_preload([*_PRELOADED, *more, _KNOWN])
        with _as_processes_are_to_be():
            forkserver.ensure_running()
        _is_ready = True


@contextlib.contextmanager
def _as_processes_are_to_be() -> Iterator[None]:
    """Python processes that start within find the modules that this one finds, and not those of the working folder,
    where a clone's `bench` would stand before the installed one; and they keep the memory that they free."""
    ours = {
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "PYTHONSAFEPATH": "1",
        "GLIBC_TUNABLES": os.environ.get("GLIBC_TUNABLES", _ALLOCATOR),
    }
    before = {name: os.environ.get(name) for name in ours}
    os.environ.update(ours)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def _context(role: Role) -> Any:
    """How processes start: torch is read once and shared where the system can fork off a clean server."""
    if sys.platform != "linux" or (role in _LIGHT and not _is_ready):
        return multiprocessing.get_context("spawn")
    make_ready()
    return multiprocessing.get_context("forkserver")
