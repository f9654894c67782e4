"""How many passes a classification takes by the settings of its defense alone; asked where plans are made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.domain.blame import blame
from bench.domain.dataset import Task
from bench.domain.errors import BenchError
from bench.domain.plan import Plan
from bench.loading.images import open_images
from bench.registry import defenses


@dataclass(frozen=True)
class Passing:
    """Plans whose defenses are to be asked."""

    plans: Sequence[Plan]
    data_dir: Path | None


def passes_of(job: Passing) -> dict[str, float]:
    """By a plan's digest the passes of its defense's network that one classification takes; none of a defense that does
    not say, or fails when it is asked."""
    tasks: dict[str, Task] = {}
    found = {}
    for plan in job.plans:
        data = str(plan.dataset.document())
        try:
            if data not in tasks:
                tasks[data] = open_images(plan.dataset, job.data_dir).task
            with blame(plan.defense.name):
                passes = defenses.make(plan.defense.reference, plan.defense.settings).passes(tasks[data])
                if passes is not None:
                    found[plan.digest] = float(passes)
        except BenchError:
            continue
    return found
