"""Runs a plan in a store of its own, and gives what came of each shard."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from bench import Outcome, Plan, PluginError, ShardResult
from bench.evaluation.evaluate import evaluate
from bench.evaluation.running.run import REPLAYED
from bench.store.store import Store


@dataclass
class _Results:
    """Keeps the results of one plan."""

    digest: str
    found: list[ShardResult] = field(default_factory=list)

    def started(self, plan: Plan, role: str, total: int, pending: int) -> None: ...

    def progressed(self, digest: str, shard: int, done: float, total: float, note: str) -> None: ...

    def ahead(self, left: Callable[[], tuple[float | None, int]]) -> None: ...

    def finished(self, plan: Plan, shard: int, result: ShardResult | None) -> None:
        if result is not None and plan.digest == self.digest:
            self.found.append(result)


def run(plan: Plan, folder: Path, workers: int = 1, replayed: int = REPLAYED) -> list[ShardResult]:
    """The plan's shards in order, in a new store in `folder`. Raises `PluginError` for the first failure."""
    results, store = _Results(plan.digest), Store(Path(tempfile.mkdtemp(dir=folder)) / "running.db")
    evaluation = evaluate(plan, store, results, lambda: "cpu", workers=workers, replayed=replayed)
    if evaluation.failures:
        raise PluginError(evaluation.failures[0].sentence)
    return sorted(results.found, key=lambda result: result.index)


def outcomes(results: list[ShardResult]) -> list[Outcome]:
    """All outcomes of some shards."""
    return [outcome for result in results for outcome in result.outcomes]
