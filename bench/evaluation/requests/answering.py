"""What the process answers in which plugins' code runs for a plan: the plans of requests, and what their defenses say
that a classification takes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.domain.blame import blame
from bench.domain.dataset import Task
from bench.domain.errors import BenchError, PluginError, kind_of
from bench.domain.plan import Plan
from bench.evaluation.requests.planning import make_plan
from bench.evaluation.requests.request import Request
from bench.loading.environment import resolve_device
from bench.loading.images import open_images
from bench.plugins.registry import defenses


@dataclass(frozen=True)
class Passing:
    """Plans whose defenses are to be asked."""

    plans: Sequence[Plan]
    data_dir: Path | None


def answer(job: Passing | tuple[Sequence[Request], str]) -> Any:
    """What came of a job: the passes of plans' defenses, or the plans of requests on a device."""
    return passes_of(job) if isinstance(job, Passing) else planned(job)


def planned(job: tuple[Sequence[Request], str]) -> list[tuple[str, Any, Any]]:
    """The plan of each request on a device: ("plan", document, places), or (kind of error, None, sentence)."""
    requests, device = job
    found: list[tuple[str, Any, Any]] = []
    for request in requests:
        try:
            plan = make_plan(request, lambda: resolve_device(device))
            found.append(("plan", _plain(plan.document()), _plain(plan.places)))
        except BenchError as error:
            found.append((kind_of(error), None, str(error)))
    return found


def _plain(document: dict[str, Any]) -> Any:
    """The document as it will be read from the store."""
    try:
        return json.loads(json.dumps(document))
    except (TypeError, ValueError) as error:
        raise PluginError(
            f"A setting of a plugin is no plain data ({error}); use numbers, text, fractions, paths and tuples of them."
        ) from None


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
