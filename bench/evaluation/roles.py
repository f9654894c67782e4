"""What a process does with its jobs, by its role."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from bench.domain.errors import BenchError, PluginError, kind_of
from bench.loading.seal import Seal

if TYPE_CHECKING:
    from bench.evaluation.requests.planning import Request

    Run = Callable[[Any, Callable[..., None]], Any]


def run_of(role: str, device: str) -> Run:
    """What a worker of this role does with a job."""
    if role == "plan":
        from bench.evaluation.requests import planning  # noqa: F401  # sealed with the rest of what makes a plan
        from bench.evaluation.requests.passing import Passing, passes_of

        sealed_plan = Seal()

        def plan(job: Any, watch: Callable[..., None]) -> Any:
            try:
                return passes_of(job) if isinstance(job, Passing) else planned(job)
            finally:
                sealed_plan.check()

        return plan
    if role == "read":
        from bench.evaluation.running.reading import Reading

        reading = Reading()
        return lambda job, watch: reading(job)

    from bench.evaluation.estimates.pacing import pace
    from bench.evaluation.estimates.trial import Pacing, Trial
    from bench.evaluation.estimates.trying import attempt
    from bench.evaluation.shard.crafting import craft
    from bench.evaluation.shard.judging import hear
    from bench.loading.classifiers import Shelf
    from bench.loading.determinism import shake
    from bench.loading.release import let_go

    shelf, seal = Shelf(device), Seal()
    kinds: dict[type, Callable[[Any, Shelf, Callable[..., None]], Any]] = {Pacing: pace, Trial: attempt}

    def sealed(job: Any, watch: Callable[..., None]) -> Any:
        shake()
        run = kinds.get(type(job), craft) if role == "craft" else hear
        try:
            return run(job, shelf, watch)
        finally:
            let_go(device)
            seal.check()

    return sealed


def planned(job: tuple[Sequence[Request], str]) -> list[tuple[str, Any, Any]]:
    """The plan of each request on a device: ("plan", document, places), or (kind of error, None, sentence)."""
    from bench.evaluation.requests.planning import make_plan
    from bench.loading.environment import resolve_device

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
