"""What a process does with its jobs, by its role."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bench.loading.seal import Seal

Run = Callable[[Any, Callable[..., None]], Any]


def run_of(role: str, device: str, cores: int) -> Run:
    """What a worker of this role does with a job, for which it may use so many cores of a CPU."""
    if role == "plan":
        from bench.evaluation.requests.answering import answer

        sealed_plan = Seal()

        def plan(job: Any, watch: Callable[..., None]) -> Any:
            try:
                return answer(job)
            finally:
                sealed_plan.check()

        return plan
    if role == "read":
        from bench.evaluation.running.reading import Reading

        reading = Reading()
        return lambda job, watch: reading(job)

    import torch

    from bench.evaluation.estimates.pacing import pace
    from bench.evaluation.estimates.trial import Pacing, Trial
    from bench.evaluation.estimates.trying import attempt
    from bench.evaluation.shard.crafting import craft
    from bench.evaluation.shard.judging import hear
    from bench.loading.classifiers import Shelf
    from bench.loading.determinism import shake
    from bench.loading.memory import let_go

    torch.set_num_interop_threads(cores)  # as `concurrently` understands it
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
