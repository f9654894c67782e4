"""What the harness itself costs a shard: synthetic shards through the real queue and the real store.

python benchmarks/scale.py --shards 10000 --workers 1 8 64

Nobody attacks and nobody answers: the workers are stand-ins in this process that have every answer at once, so that all
the time there is is the queue's, the errands' and the store's. Shards hold few and tiny images, each plan a
thousand of them; half of the plans craft images that the other half waits for. `store` is the share of the time in the
store and its folder of images, some of which waits for a disk; CPU is what was computed, in it and without it.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch  # noqa: F401  # its import, two seconds, is no shard's
from rich.console import Console
from rich.table import Table

from bench.domain.facts import Controls, Crafting
from bench.domain.outcome import ShardResult
from bench.domain.plan import Plan, Spec
from bench.domain.threat import ThreatModel
from bench.evaluation.evaluate import evaluate_all
from bench.evaluation.running.archive import Archive
from bench.evaluation.running.crew import Crew
from bench.evaluation.running.run import Site
from bench.evaluation.shard.hearing import Answer, Hearing, Testimony
from bench.evaluation.shard.proposal import Craft, Proposal
from bench.executors.contract import Report, Role, Seat
from bench.loading.door import AMBIENCE, INPUT, OWN_NOISE, Introduction
from bench.loading.images import fingerprint, open_images
from bench.store.rows.records import ShardRecord
from bench.store.store import Store

A_PLAN = 1000
"""Shards a plan."""
FACTS = {"device": "none"}


@dataclass
class Instant:
    """A seat whose job is done when it is asked."""

    role: Role
    place: str = "nowhere"
    job: Any = None

    def start(self, job: Any) -> None:
        self.job = job

    def close(self) -> None: ...


@dataclass
class Stand:
    """So many workers that answer at once; counts the jobs."""

    workers: int
    jobs: int = 0

    def places(self, jobs: int) -> Mapping[str, int]:
        return {"nowhere": self.workers}

    def seat(self, role: Role, place: str) -> Seat:
        return Instant(role)

    def hear(self, busy: Sequence[Seat], seconds: float | None) -> Sequence[tuple[Seat, Report]]:
        self.jobs += len(busy)
        return [(seat, Report(finished=True, data=answered(seat.job))) for seat in busy]  # type: ignore[attr-defined]

    def close(self) -> None: ...


@dataclass
class Nobody:
    """Watches nothing but when a shard is stored."""

    stored: int = 0

    def started(self, plan: Plan, role: str, total: int, pending: int) -> None: ...

    def progressed(self, digest: str, shard: int, done: float, total: float, note: str) -> None: ...

    def ahead(self, left: Callable[[], tuple[float | None, int]]) -> None: ...

    def finished(self, plan: Plan, shard: int, result: ShardResult | ShardRecord | None) -> None:
        self.stored += result is not None


@dataclass
class Clock:
    """The seconds that were spent in some functions, and those of them that were computed in."""

    seconds: float = 0.0
    computed: float = 0.0

    def over(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*arguments: Any, **more: Any) -> Any:
            since, computed = time.perf_counter(), time.thread_time()
            try:
                return function(*arguments, **more)
            finally:
                self.seconds += time.perf_counter() - since
                self.computed += time.thread_time() - computed

        return timed


def answered(job: Craft | Hearing) -> Proposal | Testimony:
    """The proposal of an attack that changes a pixel, or the testimony of a classifier that says 0."""
    if isinstance(job, Craft):
        moved = job.images.copy()
        moved[:, 0, 0, 0] = np.where(moved[:, 0, 0, 0] > 0.5, moved[:, 0, 0, 0] - 0.01, moved[:, 0, 0, 0] + 0.01)
        facts = Crafting(len(moved), 0, 1, {}, 0, 0, 0, Controls(), {})
        logits = np.zeros((len(moved), len(job.task.classes)), np.float32)
        return Proposal(moved, answers=logits, audits=(), facts=facts, environment=FACTS)
    answers = tuple(
        Answer(np.zeros((1, len(question.images), len(job.task.classes)), np.float32)) for question in job.questions
    )
    contracts = dict.fromkeys((INPUT, AMBIENCE, OWN_NOISE), "")
    introduction = Introduction(True, True, False, False, contracts) if job.introduced else None
    return Testimony(answers, True, False, introduction, None, (), 0.0, 0, FACTS)


def plans_of(shards: int, samples: int) -> list[Plan]:
    """Plans of so many shards together, every other one transferred from the one before."""
    dataset = Spec("digits", {})
    images = open_images(dataset, None)
    each = min(A_PLAN, shards // 2, len(images) // samples)
    first = Plan(
        defense=Spec("source"),
        attack=Spec("pixel"),
        source=None,
        dataset=dataset,
        size=len(images),
        images="",
        threat=ThreatModel("linf", Fraction(1, 10)),
        knowledge="white-box",
        samples=each * samples,
        sampling="first",
        sample_seed=0,
        shard_size=samples,
        seed=0,
        draws=1,
    )
    first = replace(first, images=fingerprint(images, first.indices, dataset))
    found = []
    for number in range(max(1, shards // each // 2)):
        white = replace(first, attack=Spec("pixel", {"number": number}))
        found += [white, replace(white, defense=Spec("judged"), source=first.defense)]
    return found


def measured(shards: int, samples: int, workers: int, db: str | None) -> list[str]:
    """A row of the table: the shards stored, untouched ones beside them, and what that took."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store(db or Path(folder) / "scale.db")
        clock, stand, observer = Clock(), Stand(workers), Nobody()
        timed = (
            (store, ("add_all", "pending", "shards", "predictions")),
            (store.artifacts, ("write", "read_all", "holds")),
        )
        for owner, names in timed:
            for name in names:
                setattr(owner, name, clock.over(getattr(owner, name)))
        plans = plans_of(shards, samples)
        since, computed = time.perf_counter(), time.thread_time()
        with Crew(lambda: "cpu", executor=stand) as crew, Archive(None) as archive:
            ended = list(evaluate_all(Site(crew, archive, store, observer), plans))
        seconds, computed = time.perf_counter() - since, time.thread_time() - computed
        failures = [failure for _, evaluation in ended for failure in evaluation.failures]
        if failures:
            raise SystemExit(f"{len(failures)} shards failed: {failures[0].details or failures[0].sentence}")
        since = time.perf_counter()
        for plan in plans:
            store.table(plan)
        reading = time.perf_counter() - since
    figures = (f"{observer.stored / seconds:.0f}", f"{1000 * seconds / observer.stored:.2f}")
    own, stores = (f"{1000 * found / observer.stored:.2f}" for found in (computed - clock.computed, clock.computed))
    return [
        *(str(workers), str(observer.stored), str(stand.jobs), f"{seconds:.1f}", *figures),
        *(own, f"{clock.seconds / seconds:.0%}", stores, f"{reading:.2f} s"),
    ]


def main() -> None:
    """Print a row for each number of workers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shards", type=int, default=10_000)
    parser.add_argument("--samples", type=int, default=1, help="images a shard")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 8, 64])
    parser.add_argument("--db", help="a database that is there for this; a new SQLite file where none is named")
    chosen = parser.parse_args()
    table = Table(title=f"{chosen.shards} shards of {chosen.samples}", title_justify="left", box=None)
    for column in (
        "workers",
        "shards",
        "jobs",
        "seconds",
        "shards a second",
        "ms a shard",
        "own CPU ms",
        "store",
        "store CPU ms",
        "page's read",
    ):
        table.add_column(column, justify="right")
    for workers in chosen.workers:
        table.add_row(*measured(chosen.shards, chosen.samples, workers, chosen.db))
    Console().print(table)


if __name__ == "__main__":
    main()
