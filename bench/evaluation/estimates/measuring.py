"""Runs trials in the processes that would craft: each classifier is paced once, each attack on it tried once."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.domain.errors import BenchError
from bench.domain.plan import Shard
from bench.evaluation.estimates.estimate import Line
from bench.evaluation.estimates.parts import Part
from bench.evaluation.estimates.trial import Pace, Pacing, Trial, Tried
from bench.evaluation.running.archive import Archive
from bench.evaluation.running.crew import Crew
from bench.evaluation.running.precedent import kind_of
from bench.evaluation.running.waiting import Job, model_of

PACING, TRYING = 5.0, 12.0
"""Seconds for the passes of a classifier, and for the runs of an attack on it."""
QUERIES = 500
"""An attack shows what it is in about so many queries: its steps are a hundred, or its first part is over."""
LATE = 120.0
"""After so many seconds a job of these is given up."""
OVERDUE = (
    f"Nothing could be told within {LATE:.0f} s: the attack or the classifier takes longer than that to answer about "
    f"two images."
)


@dataclass
class Measured:
    """What was found out: paces and loading times by classifier and size of a shard, tries by kind of plan, and the
    sentence that says why there is none. `beginning` are the seconds until the first process could be started."""

    paces: dict[str, Pace] = field(default_factory=dict)
    loading: dict[str, float] = field(default_factory=dict)
    tries: dict[str, Tried] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    beginning: float = 0.0

    def problem(self, part: Part) -> str | None:
        """Why a part has no estimate, if it has none."""
        return self.problems.get(pace_key(part)) or self.problems.get(kind_of(part.plan))


class Measuring:
    """Gives trials to a crew and keeps what they say; `told` hears of each that begins."""

    def __init__(self, crew: Crew, archive: Archive, told: Callable[[str], None]) -> None:
        self._crew, self._archive, self._told = crew, archive, told
        self.found = Measured()

    def pace(self, parts: Sequence[Part]) -> None:
        """Find out how fast the classifiers of some parts are."""
        first = {pace_key(part): part for part in reversed(parts)}

        def job(part: Part, shard: Shard) -> Any:
            self._told(f"timing {part.plan.defense.name}")
            images, _ = self._archive.arrays(part.plan, shard.indices)
            return Pacing(part.plan.defense, self._archive.task(part.plan), images, PACING)

        self._run(first, job)

    def attempt(self, parts: Sequence[Part]) -> None:
        """Find out what the attacks of some parts ask."""
        first = {kind_of(part.plan): part for part in reversed(parts) if self.found.problem(part) is None}

        def job(part: Part, shard: Shard) -> Any:
            self._told(f"trying {part.plan.attack.name} on {part.plan.defense.name}")
            images, labels = self._archive.arrays(part.plan, shard.indices)
            task, rows = self._archive.task(part.plan), first_rows(self.found.paces[pace_key(part)])
            return Trial(part.plan, shard, task, images, labels, rows, TRYING)

        self._run(first, job)

    def _run(self, parts: dict[str, Part], job: Callable[[Part, Shard], Any]) -> None:
        for key, part in parts.items():
            self._crew.submit(self._asked(key, part, job))
        since = time.monotonic()
        for given, report in self._crew.reports():
            if report.finished and not self.found.paces:
                self.found.beginning = max(0.0, time.monotonic() - since - report.seconds)
            if report.failure is not None:
                self.found.problems[given.of] = report.failure
            elif report.finished and isinstance(report.data, Pace):
                self.found.paces[given.of] = report.data
                self.found.loading[given.of] = max(0.0, report.seconds - report.data.seconds)
            elif report.finished:
                self.found.tries[given.of] = report.data

    def _asked(self, key: str, part: Part, job: Callable[[Part, Shard], Any]) -> Job:
        def task() -> Any:
            try:
                return job(part, part.shards[0])
            except BenchError as error:
                self.found.problems[key] = str(error)
                return None

        return Job("craft", task, key, model_of(part.plan), key, seconds=LATE, overdue=OVERDUE)


def pace_key(part: Part) -> str:
    """What parts have in common whose passes take as long."""
    return f"{model_of(part.plan)} {len(part.shards[0].indices)}"


def first_rows(pace: Pace) -> int:
    """On how many images an attack is tried first: so many that `QUERIES` with a gradient fit into the seconds."""
    forward, backward = Line.through(pace.forward), Line.through(pace.backward)
    left, image = TRYING / QUERIES - forward.call - backward.call, forward.image + backward.image
    return max(1, int(left / image)) if image else 1
