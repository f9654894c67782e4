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
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, Literal

from bench.domain.errors import BenchError, PluginError
from bench.evaluation.wire import pack, unpack
from bench.loading.seal import TamperedError

Role = Literal["plan", "read", "craft", "judge", "replay"]

SECONDS_BETWEEN_REPORTS = 0.1
_PRELOADED = ("torch", "bench.evaluation.crafting", "bench.evaluation.judging")
_LIGHT = ("plan", "read")
"""Roles that need no torch, and start sooner without it."""
_END = (0.0, 0.0, "", True)
"""How the last thing begins that is said of a job."""


@dataclass(frozen=True)
class Report:
    """What a worker says: how far it is (`done` of `total`, a note), its `data`, or the sentence why there is none.

    One that is `spent` can do nothing more.
    """

    done: float = 0.0
    total: float = 0.0
    note: str = ""
    finished: bool = False
    data: Any = None
    failure: str | None = None
    details: str = ""
    spent: bool = False


class Worker:
    """A process that runs jobs of one role on one device; `close` ends it."""

    def __init__(self, role: Role, device: str) -> None:
        context = _context(role)
        self.role = role
        self.connection, theirs = context.Pipe()
        settings = {name: value for name, value in os.environ.items() if not name.startswith("BENCH_")}
        self._process = context.Process(target=_work, args=(role, device, theirs, settings))
        self._process.start()
        theirs.close()

    def start(self, job: Any) -> None:
        """Give it a job; what comes of it is read from `connection`."""
        with contextlib.suppress(OSError):  # of a dead one, reading from it will say that it is
            self.connection.send_bytes(pickle.dumps(job, pickle.HIGHEST_PROTOCOL))

    def read(self) -> Report:
        """The next thing it says; of a process that ended without a word, that."""
        try:
            return Report(*unpack(self.connection.recv_bytes()))
        except (EOFError, OSError):
            self._process.join(10)
            code = self._process.exitcode
            how = f"killed by signal {-code}" if code is not None and code < 0 else f"exit code {code}"
            sentence = f"A worker process ended without a word ({how}): out of memory, killed, or ended by a plugin."
            return Report(finished=True, failure=sentence, spent=True)
        except PluginError as error:
            return Report(finished=True, failure=str(error), spent=True)

    def close(self) -> None:
        """End the process, whatever it is doing."""
        self.connection.close()
        self._process.terminate()
        self._process.join(5)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()


def alone(role: Role, job: Any) -> Any:
    """What a job gives in a process that is made for it and ends with it. Raises `BenchError` where it fails."""
    worker = Worker(role, "cpu")
    try:
        worker.start(job)
        while not (report := worker.read()).finished:
            pass
    finally:
        worker.close()
    if report.failure is not None:
        raise PluginError(report.failure)
    return report.data


def _context(role: Role) -> Any:
    """How processes start: torch is read once and shared where the system can fork off a clean server."""
    if role in _LIGHT or sys.platform != "linux":
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(_PRELOADED))
    return context


def _work(role: Role, device: str, connection: Connection, settings: dict[str, str]) -> None:
    """The life of a worker. `settings` is the environment, for a server that forks off processes has an older one; what
    was asked for is not in it, for that is nothing that a plugin need know."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides what it means
    threading.Thread(target=_die_with_parent, daemon=True).start()
    sys.argv = sys.argv[:1]
    os.environ.clear()
    os.environ.update(settings)
    os.dup2(2, 1)  # a plugin that prints must not write into the output of --json
    from bench.evaluation.roles import run_of

    run = run_of(role, device)
    while True:
        try:
            job = pickle.loads(connection.recv_bytes())
        except (EOFError, OSError):
            return
        connection.send_bytes(pack(_ran(run, job, connection)))


def _ran(run: Callable[[Any, Callable[..., None]], Any], job: Any, connection: Connection) -> tuple[Any, ...]:
    last = 0.0

    def watch(done: float, total: float, note: str = "") -> None:
        nonlocal last
        if time.monotonic() - last > SECONDS_BETWEEN_REPORTS:
            last = time.monotonic()
            connection.send_bytes(pack((float(done), float(total), str(note))))

    try:
        return *_END, run(job, watch)
    except BenchError as error:
        return *_END, None, str(error), traceback.format_exc(), isinstance(error, TamperedError)
    except (Exception, SystemExit) as error:
        return *_END, None, f"A worker failed with {type(error).__name__}: {error}", traceback.format_exc()


def _die_with_parent() -> None:
    """A killed parent must not leave workers behind that compute for nobody."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
