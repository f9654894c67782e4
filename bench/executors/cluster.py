"""Slots of a Ray cluster: an actor each, which holds one GPU or one core and runs the role processes there."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from bench.domain.errors import PluginError, UsageError
from bench.executors.contract import Report, Role, Seat
from bench.executors.devices import default_workers
from bench.executors.parcels import Parcel, files_of
from bench.executors.wire import unpack
from bench.plugins.files import sha256_of

LOOK_SECONDS = 1.0
"""How often it is looked which nodes there are."""
LISTEN_SECONDS = 10.0
LOST = "A worker of the cluster was lost"
TOKEN = Path.home() / ".ray" / "auth_token"
QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
"""Nothing is told to anybody, and warnings about what is not used here are left out."""


@dataclass
class _Actor:
    """A slot's actor: where it is, and its answer that it is there."""

    name: str
    handle: Any
    answer: Any
    is_up: bool = False


@dataclass
class RemoteSeat:
    """A process at a slot; `pending` is what it will say next, `begun` that it was given its job."""

    role: Role
    place: str
    number: int
    actor: Any
    parcel: Callable[[Any], Parcel]
    pending: Any = None
    begun: Any = None

    def start(self, job: Any) -> None:
        """Send a job."""
        self.begun = self.actor.start.remote(self.number, self.role, job, self.parcel(job))
        self.pending = self.actor.hear.remote(self.number)

    def close(self) -> None:
        """Have the process ended; the answer is not waited for."""
        self.pending = None
        self.actor.close.remote(self.number)


@dataclass
class Cluster:
    """Runs jobs on a Ray cluster: the one at `address` (HOST:PORT), else one that this machine is part of, else a new
    one here, which ends with this.

    All run on one kind of device, that for which the plans were made. Nodes may come and go: actors that are lost are
    made anew, and only those that have answered are given work. No actor is started again behind this one's back.
    """

    device: Callable[[], str]
    workers: int | None = None
    address: str | None = None
    _slots: dict[tuple[str, int], _Actor] = field(default_factory=dict)
    _count: itertools.count[int] = field(default_factory=itertools.count)
    _contents: dict[str, Any] = field(default_factory=dict)
    _kind: str = ""
    _looked: float = 0.0
    _is_ours: bool = False

    def places(self, jobs: int) -> Mapping[str, int]:
        """The slots whose actors have answered."""
        _show_token()
        import ray

        if not self._kind:
            self._kind = self.device().partition(":")[0]
            self._join(jobs)
        if time.monotonic() - self._looked > LOOK_SECONDS:
            self._looked = time.monotonic()
            self._look(jobs)
        waiting = {actor.answer: key for key, actor in self._slots.items() if not actor.is_up}
        answered = ray.wait(list(waiting), num_returns=len(waiting), timeout=0)[0] if waiting else []
        for answer in answered:
            try:
                self._slots[waiting[answer]].is_up = bool(ray.get(answer))
            except ray.exceptions.RayError:
                del self._slots[waiting[answer]]
        return {actor.name: 1 for actor in self._slots.values() if actor.is_up}

    def seat(self, role: Role, place: str) -> Seat:
        """A new process at a slot."""
        actor = next(actor for actor in self._slots.values() if actor.name == place)
        return RemoteSeat(role, place, next(self._count), actor.handle, self._parcel)

    def hear(self, busy: Sequence[Seat], seconds: float | None) -> Sequence[tuple[Seat, Report]]:
        """What the processes at the slots say."""
        import ray

        seats = {seat.pending: seat for seat in cast(Sequence[RemoteSeat], busy)}
        limit = LISTEN_SECONDS if seconds is None else min(seconds, LISTEN_SECONDS)
        found: list[tuple[Seat, Report]] = []
        for pending in ray.wait(list(seats), num_returns=1, timeout=limit)[0]:
            seat = seats[pending]
            try:
                said = [Report(*unpack(content)) for content in ray.get(pending)]
                found += [(seat, report) for report in said]
                if not said and ray.wait([seat.begun], timeout=0)[0]:
                    ray.get(seat.begun)  # which says why it was not
                over = any(report.finished for report in said)
                seat.pending = None if over else seat.actor.hear.remote(seat.number)
            except ray.exceptions.RayError as error:
                cause = getattr(error, "cause", None) or error
                self._forget(seat.place)
                sentence = f"{LOST} ({type(cause).__name__}): its node is gone, out of memory, or was ended."
                found.append((seat, Report(finished=True, failure=sentence, spent=True, lost=True)))
            except (PluginError, TypeError) as error:
                found.append((seat, Report(finished=True, failure=str(error), spent=True)))
        return found

    def close(self) -> None:
        """End all actors, and the cluster where it was made here."""
        if not self._kind:
            return
        import ray

        for actor in self._slots.values():
            ray.kill(actor.handle)
        self._slots.clear()
        if self._is_ours:
            ray.shutdown()
        self._is_ours = False

    def _join(self, jobs: int) -> None:
        import ray

        if ray.is_initialized():
            return
        os.environ.update({name: os.environ.get(name, value) for name, value in QUIET.items()})
        options: dict[str, Any] = {"log_to_driver": False, "logging_level": "error", "configure_logging": False}
        try:
            ray.init(address=self.address or "auto", **options)
        except ConnectionError as error:
            if self.address is not None:
                raise UsageError(
                    f"No Ray cluster answers at {self.address} ({error}); start one there with `ray start --head`."
                ) from None
            cores = self.workers or default_workers("cpu", jobs)
            try:
                ray.init(address="local", num_cpus=cores, include_dashboard=False, **options)
            except Exception as failure:  # Ray raises nothing narrower where its own processes do not come up
                ray.shutdown()
                raise UsageError(
                    f"Ray could not be started here ({failure}); the machine may be too busy. Start a cluster with "
                    f"`ray start --head` first, or leave --executor ray out."
                ) from None
        self._is_ours = True

    def _look(self, jobs: int) -> None:
        """Make actors for the slots of nodes that have come, and forget those of nodes that have gone."""
        import ray

        from bench.executors.slot import Slot

        resource = "CPU" if self._kind == "cpu" else "GPU"
        wanted = {
            (node["NodeID"], number): node["NodeManagerHostname"]
            for node in ray.nodes()
            if node["Alive"]
            for number in range(int(node["Resources"].get(resource, 0)))
        }
        self._slots = {key: actor for key, actor in self._slots.items() if key in wanted}
        most = min(self.workers or len(wanted), max(1, jobs))
        for key, host in wanted.items():
            if key not in self._slots and len(self._slots) < most:
                where = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(key[0], soft=False)
                share = {"num_cpus": 1} if resource == "CPU" else {"num_cpus": 0, "num_gpus": 1}
                made = ray.remote(Slot).options(**share, max_restarts=0, max_concurrency=8, scheduling_strategy=where)
                handle = made.remote(self._kind)
                name = f"{host} {key[0][:6]} {key[1]}.{next(self._count)}"
                self._slots[key] = _Actor(name, handle, handle.up.remote())

    def _parcel(self, job: Any) -> Parcel:
        """The files of a job, each content put where the nodes can fetch it, once."""
        import ray

        found = {}
        for name, path in files_of(job).items():
            sha256 = sha256_of(path)
            if sha256 not in self._contents:
                self._contents[sha256] = ray.put(path.read_bytes())
            found[name] = sha256, self._contents[sha256]
        return found

    def _forget(self, place: str) -> None:
        self._slots = {key: actor for key, actor in self._slots.items() if actor.name != place}


def _show_token() -> None:
    """Say who we are to a cluster that `ray start` made: by default that wants the token which lies in the user's home,
    and Ray shows it only where it is told to, before it is imported. RAY_AUTH_MODE, where it is set, decides."""
    if "RAY_AUTH_MODE" not in os.environ and TOKEN.is_file():
        os.environ["RAY_AUTH_MODE"] = "token"
