"""Evaluates a plan: crafts what its source lacks, runs what the store lacks, commits shard by shard."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from bench.domain.outcome import ShardResult
from bench.domain.plan import Plan, Shard
from bench.evaluation.executors import Crew, Executor, Job, ShardError
from bench.store.store import Store


class Observer(Protocol):
    """Told how an evaluation goes on."""

    def started(self, plan: Plan, role: str, total: int, pending: int) -> None:
        """A plan's shards are about to run; `role` is what they are for ('crafting', 'judging')."""

    def progressed(self, digest: str, shard: int, done: float, total: float, note: str) -> None:
        """A shard got further."""

    def finished(self, plan: Plan, shard: int, result: ShardResult | None) -> None:
        """A shard was stored (its result), or failed (None)."""


@dataclass(frozen=True)
class Failure:
    """A shard that has no result, and why."""

    shard: int
    sentence: str
    details: str = ""


@dataclass
class Evaluation:
    """What one call did: shards of the plan computed, shards crafted on its source, failures, seconds."""

    plan: Plan
    computed: int = 0
    crafted: int = 0
    failures: list[Failure] = field(default_factory=list)
    seconds: float = 0.0


@dataclass(frozen=True)
class Work:
    """What is left to do for a plan: shards whose images must first be crafted, and shards ready to run."""

    crafting: Plan | None
    to_craft: tuple[Shard, ...]
    ready: tuple[Job, ...]

    @property
    def shards(self) -> int:
        """The number of shard runs this is."""
        return len(self.to_craft) * 2 + len(self.ready)


def remaining(plan: Plan, store: Store, only: frozenset[int] | None = None) -> Work:
    """What the store lacks of a plan, or of `only` these shards. Missing or damaged images count as not crafted."""
    pending = tuple(shard for shard in store.pending(plan) if only is None or shard.index in only)
    crafting = plan.crafting()
    if crafting is None:
        return Work(None, (), tuple(Job(plan, shard) for shard in pending))
    crafted = {record.number: record.perturbed_sha256 for record in store.shards(crafting)}
    usable = {
        shard.index: crafted[shard.index]
        for shard in pending
        if shard.index in crafted and store.artifacts.holds(crafted[shard.index])
    }
    to_craft = tuple(shard for shard in pending if shard.index not in usable)
    ready = tuple(Job(plan, shard, usable[shard.index]) for shard in pending if shard.index in usable)
    return Work(crafting, to_craft, ready)


def evaluate(
    plan: Plan,
    store: Store,
    observer: Observer,
    device: Callable[[], str],
    data_dir: Path | None = None,
    workers: int | None = None,
    only: frozenset[int] | None = None,
) -> Evaluation:
    """Run what is left of a plan (or of `only` some shards) and store it, a shard a transaction.

    `device` is asked only if there is work, so that a finished plan needs no torch. A failed shard is reported and
    the others go on.
    """
    with Crew(device, data_dir, store.artifacts.folder, observer.progressed, workers) as crew:
        return evaluate_with(crew, plan, store, observer, only)


def evaluate_with(
    crew: Crew, plan: Plan, store: Store, observer: Observer, only: frozenset[int] | None = None
) -> Evaluation:
    """Like `evaluate`, by workers that several plans share."""
    started = time.monotonic()
    evaluation = Evaluation(plan)
    work = remaining(plan, store, only)
    if work.crafting is not None and work.to_craft:
        observer.started(work.crafting, "crafting", len(plan.shards()), len(work.to_craft))
    observer.started(plan, "judging", len(plan.shards()), len(work.ready) + len(work.to_craft))
    if work.shards:
        executor = crew.executor(len(work.to_craft) + len(work.ready))
        _Run(store, observer, executor, evaluation).all(work)
    evaluation.seconds = time.monotonic() - started
    return evaluation


@dataclass
class _Run:
    store: Store
    observer: Observer
    executor: Executor
    evaluation: Evaluation

    def all(self, work: Work) -> None:
        """Keep the executor's slots full; images that are crafted make their own shard ready."""
        crafting = [] if work.crafting is None else [Job(work.crafting, shard) for shard in work.to_craft]
        waiting = deque([*work.ready, *crafting])
        running: dict[Future[ShardResult], Job] = {}
        while waiting or running:
            while waiting and len(running) < self.executor.slots:
                job = waiting.popleft()
                running[self.executor.submit(job)] = job
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                job = running.pop(future)
                result = self._result(future, job)
                if result is not None and job.plan != self.evaluation.plan:
                    waiting.append(Job(self.evaluation.plan, job.shard, result.perturbed_sha256))

    def _result(self, future: Future[ShardResult], job: Job) -> ShardResult | None:
        try:
            result = future.result()
        except ShardError as failure:
            self.evaluation.failures.append(Failure(job.shard.index, str(failure), failure.details))
            self.observer.finished(job.plan, job.shard.index, None)
            return None
        except BrokenExecutor:
            raise ShardError(
                "A worker process ended without a word (killed, or out of memory); finished shards are kept. Run the "
                "same command again, with fewer --workers if memory is short."
            ) from None
        self.store.add(job.plan, result)
        if job.plan == self.evaluation.plan:
            self.evaluation.computed += 1
        else:
            self.evaluation.crafted += 1
        self.observer.finished(job.plan, job.shard.index, result)
        return result
