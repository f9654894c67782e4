"""The jobs that wait: those nearest to a finished shard first, and of these the ones whose model is at hand."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import Any

from bench.domain.plan import Plan
from bench.executors.contract import Role

STAGES = 3
"""A replay, a judging that follows a crafting, and the beginning of a shard, in the order in which they are run: as
little as possible is lost when a run is killed."""
REPLAYED, FOLLOWS, BEGINS = range(STAGES)


@dataclass(frozen=True)
class Job:
    """A job for a role; `of` says to the one who gave it what it was for.

    `task` is asked when a worker is free, and gives None where there is nothing to do after all. `model` names what a
    worker must load for it, `plan` what a place that cannot do it is barred for, `rank` its turn among the jobs of its
    `stage`. `seconds` is how long it may take, `overdue` what is said of it where that
    is not enough, and `tries` how often it was lost.
    """

    role: Role
    task: Callable[[], Any]
    of: Any
    model: str = ""
    plan: str = ""
    stage: int = BEGINS
    rank: tuple[int, ...] = ()
    seconds: float | None = None
    tries: int = 0
    overdue: str = "It took longer than --shard-timeout allows; give it more seconds, or smaller shards."


Kind = tuple[Role, str, str]
"""Role, model and plan: what jobs have in common for a worker."""


def model_of(plan: Plan) -> str:
    """What a model and its introduction are known by: the defense and the data set."""
    return str((plan.defense.document(), plan.dataset.document()))


@dataclass
class Waiting:
    """The jobs that wait, by stage and kind."""

    _stages: list[dict[Kind, list[tuple[tuple[int, ...], int, Job]]]] = field(
        default_factory=lambda: [{} for _ in range(STAGES)]
    )
    _count: itertools.count[int] = field(default_factory=itertools.count)
    _size: int = 0

    def __len__(self) -> int:
        return self._size

    def put(self, job: Job) -> None:
        """Let a job wait its turn."""
        kind = job.role, job.model, job.plan
        heappush(self._stages[job.stage].setdefault(kind, []), (job.rank, next(self._count), job))
        self._size += 1

    def take(self, is_allowed: Callable[[Kind], bool], held: Collection[tuple[Role, str]]) -> Job | None:
        """The next job of an allowed kind, those first for which one of the `held` models is there; None where there
        is none."""
        for stage in self._stages:
            allowed = [kind for kind in stage if is_allowed(kind)]
            near = [kind for kind in allowed if kind[:2] in held]
            if near or allowed:
                return self._pop(stage, min(near or allowed, key=lambda kind: stage[kind][0][:2]))
        return None

    def discard(self, is_meant: Callable[[Kind], bool]) -> list[Job]:
        """Take out every job of a kind."""
        found: list[Job] = []
        for stage in self._stages:
            for kind in [kind for kind in stage if is_meant(kind)]:
                found += [job for _, _, job in stage.pop(kind)]
        self._size -= len(found)
        return found

    def _pop(self, stage: dict[Kind, list[tuple[tuple[int, ...], int, Job]]], kind: Kind) -> Job:
        _, _, job = heappop(stage[kind])
        if not stage[kind]:
            del stage[kind]
        self._size -= 1
        return job
