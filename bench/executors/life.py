"""The life of a worker, in its process: it says that it is there, and answers job after job."""

from __future__ import annotations

import importlib
import multiprocessing
import os
import pickle
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from bench.domain.errors import PASSING, BenchError
from bench.executors.wire import pack
from bench.loading.seal import TamperedError

RUNS = ("bench.evaluation.roles", "run_of")
TRAINS = ("bench.training.roles", "run_of")
"""What a role does with a job lies in the rooms above, which therefore are named and not imported."""
SECONDS_BETWEEN_REPORTS = 0.1
_END = (0.0, 0.0, "", True)
"""How the last thing begins that is said of a job."""


def live(role: str, device: str, connection: Connection, settings: dict[str, str], cores: int) -> None:
    """Run jobs of a role on a device until nobody gives any more, each on so many `cores` where that is a CPU.

    `settings` is the environment, for a server that forks off processes has an older one, and a device must be visible
    before torch looks for it; what was asked for is not in it, for that is nothing that a plugin need know.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's, who decides what it means
    if hasattr(os, "setsid"):
        os.setsid()  # a group of its own, so that what a plugin starts ends with it
    threading.Thread(target=_die_with_parent, daemon=True).start()
    sys.argv = sys.argv[:1]
    os.environ.clear()
    os.environ.update(settings)
    os.dup2(2, 1)  # a plugin that prints must not write into the output of --json
    module, name = TRAINS if role == "train" else RUNS
    run = getattr(importlib.import_module(module), name)(role, device, cores)
    try:
        connection.send_bytes(b"up")
        while True:
            job = pickle.loads(connection.recv_bytes())
            connection.send_bytes(pack(_ran(run, job, connection)))
    except (EOFError, OSError):
        return


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
        spent = isinstance(error, TamperedError)
        return *_END, None, str(error), traceback.format_exc(), spent, False, bool(error.local)
    except PASSING:
        raise
    except BaseException as error:
        return *_END, None, f"A worker failed with {type(error).__name__}: {error}", traceback.format_exc()


def _die_with_parent() -> None:
    """A killed parent must not leave workers behind that compute for nobody, nor what these have started."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        if hasattr(os, "killpg") and os.getpgrp() == os.getpid():
            os.killpg(os.getpid(), signal.SIGKILL)
        os._exit(1)
