"""The workers of a run: at most so many at work, each job in a process of its role."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from bench.evaluation.running.waiting import Job, Kind, Waiting
from bench.executors.choice import DEFAULT, find_executor
from bench.executors.contract import TRIES, Executor, Report, Seat
from bench.loading.classifiers import KEPT

if TYPE_CHECKING:
    from bench.loading.door import Introduction

REPLAYS = 4
"""Replays are short: one worker in so many is enough for them."""
NOWHERE_SECONDS = 300.0
"""For so long a job waits for a place where it could run."""


@dataclass
class _Post:
    """A seat, the models that it holds, and the job that it is at, since when."""

    seat: Seat
    models: list[str] = field(default_factory=list)
    job: Job | None = None
    since: float = 0.0


class Crew:
    """Workers that all plans of a call share; a context manager that ends them.

    They are an `executor`'s, by default processes on the `device`, which is asked at the first job, so that finished
    plans need no torch. `workers` None leaves their number to the device and to the jobs at hand then. `introductions`
    are those of the defenses that were met so far.
    """

    def __init__(
        self, device: Callable[[], str], workers: int | None = None, executor: str | Executor = DEFAULT
    ) -> None:
        self.introductions: dict[str, Introduction] = {}
        self._executor = find_executor(executor, device, workers) if isinstance(executor, str) else executor
        self._waiting = Waiting()
        self._idle: dict[str, list[_Post]] = {}
        self._busy: dict[int, _Post] = {}
        self._barred: dict[tuple[str, str], Report] = {}
        self._nowhere: float | None = None

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, *failure: Any) -> None:
        self.abandon()
        self._idle.clear()
        self._executor.close()

    def submit(self, job: Job) -> None:
        """Run a job when there is a worker for it."""
        self._waiting.put(job)

    def reports(self) -> Iterator[tuple[Job, Report]]:
        """What is said of the jobs, until every one is finished; jobs may be submitted meanwhile."""
        while len(self._waiting) or self._busy:
            yield from self._hopeless(self._fill())
            if self._busy:
                heard = self._executor.hear([post.seat for post in self._busy.values()], self._patience())
                for seat, report in heard:
                    if id(seat) in self._busy:
                        yield from self._heard(self._busy[id(seat)], report)
                yield from self._overdue()

    def workers(self, jobs: int) -> int:
        """How many jobs are run at once where so many are at hand."""
        return max(1, min(jobs, sum(self._executor.places(jobs).values())))

    def abandon(self) -> None:
        """Forget the jobs that wait, and end the workers that are at one."""
        self._waiting = Waiting()
        for post in self._busy.values():
            post.seat.close()
        self._busy.clear()

    def _fill(self) -> set[str]:
        """Give every free place a job; the places that there are."""
        places = self._executor.places(len(self._waiting) + len(self._busy))
        for gone in [place for place in self._idle if place not in places]:
            del self._idle[gone]
        room = {place: at_once - self._at(place) for place, at_once in places.items()}
        while (place := max(room, key=lambda name: room[name], default=None)) is not None and room[place] > 0:
            job = self._next(place, max(1, sum(places.values()) // REPLAYS))
            if job is None:
                room[place] = 0
            elif (task := job.task()) is not None:
                self._give(place, job, task)
                room[place] -= 1
        return set(places)

    def _next(self, place: str, replays: int) -> Job | None:
        """The job that a place should do next; no more replays at once than are worth their workers."""
        full = sum(post.seat.role == "replay" for post in self._busy.values()) >= replays
        held = {(post.seat.role, model) for post in self._idle.get(place, ()) for model in post.models}

        def is_allowed(kind: Kind) -> bool:
            return (place, kind[2]) not in self._barred and not (full and kind[0] == "replay")

        return self._waiting.take(is_allowed, held)

    def _give(self, place: str, job: Job, task: Any) -> None:
        """Start a job where its model is, else where the fewest are, else in a new process."""
        idle = self._idle.setdefault(place, [])
        fit = [post for post in idle if post.seat.role == job.role]
        post = min(fit, key=lambda each: (job.model not in each.models, len(each.models)), default=None)
        if post is None:
            post = _Post(self._executor.seat(job.role, place))
        else:
            idle.remove(post)
        post.models = [*[model for model in post.models if model != job.model][1 - KEPT :], job.model]
        post.job, post.since = job, time.monotonic()
        self._busy[id(post.seat)] = post
        post.seat.start(task)

    def _heard(self, post: _Post, report: Report) -> Iterator[tuple[Job, Report]]:
        """Pass on what is said; a job that was lost or that another place may do is tried again."""
        job, place = post.job, post.seat.place
        assert job is not None  # it is one of the busy
        if not report.finished:
            yield job, report
            return
        del self._busy[id(post.seat)]
        if report.spent:
            post.seat.close()
        else:
            self._idle.setdefault(place, []).append(post)
        if report.lost and job.tries + 1 < TRIES:
            self.submit(replace(job, tries=job.tries + 1))
        elif report.local and report.failure is not None:
            self._barred[place, job.plan] = report
            self.submit(job)
        else:
            yield job, replace(report, seconds=time.monotonic() - post.since)

    def _hopeless(self, places: set[str]) -> Iterator[tuple[Job, Report]]:
        """The jobs that no place can do, with what the last one said, or that have waited too long for a place."""
        plans = {plan for _, plan in self._barred if places and all((place, plan) in self._barred for place in places)}
        for job in self._waiting.discard(lambda kind: kind[2] in plans) if plans else ():
            yield job, next(report for (_, plan), report in self._barred.items() if plan == job.plan)
        if self._busy or not len(self._waiting):
            self._nowhere = None
            return
        self._nowhere = self._nowhere or time.monotonic()
        if time.monotonic() - self._nowhere > NOWHERE_SECONDS:
            sentence = f"No worker was there for {NOWHERE_SECONDS:.0f} s; run the same command again when there is one."
            for job in self._waiting.discard(lambda kind: True):
                yield job, Report(finished=True, failure=sentence)
        else:
            time.sleep(0.1)

    def _patience(self) -> float | None:
        """For how many seconds no job is overdue."""
        left = [post.since + post.job.seconds for post in self._busy.values() if post.job and post.job.seconds]
        return max(0.0, min(left) - time.monotonic()) if left else None

    def _overdue(self) -> Iterator[tuple[Job, Report]]:
        """End the jobs that have taken too long."""
        now = time.monotonic()
        for post in list(self._busy.values()):
            if post.job is not None and post.job.seconds and now - post.since > post.job.seconds:
                yield from self._heard(post, Report(finished=True, failure=post.job.overdue, spent=True))

    def _at(self, place: str) -> int:
        return sum(post.seat.place == place for post in self._busy.values())
