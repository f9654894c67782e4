"""What calls have in common: the store, and with what they work."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.api.checked import of_type, whole
from bench.domain.errors import BenchError, UsageError
from bench.domain.labels import Labels
from bench.domain.plan import Plan
from bench.evaluation.evaluate import evaluate_all
from bench.evaluation.requests.clerk import plans_of
from bench.evaluation.requests.request import Request
from bench.evaluation.running.run import REPLAYED, Evaluation, Means, Site
from bench.evaluation.sweep import Cell, sweep
from bench.executors.choice import DEFAULT
from bench.loading.environment import resolve_device
from bench.progress import EvaluationProgress
from bench.store.store import Store

DATABASE = "results.db"


@dataclass(frozen=True)
class Work:
    """Where results are kept, and who computes: none of it changes an outcome. With `quiet` no bar is
    shown. `tags` and `note` are written on the plans before they are run."""

    db: str | Path = DATABASE
    artifacts: str | Path | None = None
    device: str = "auto"
    data_dir: Path | None = None
    workers: int | None = None
    executor: str = DEFAULT
    shard_timeout: float | None = None
    replay: int = REPLAYED
    quiet: bool = False
    tags: Sequence[str] = ()
    note: str | None = None

    def __post_init__(self) -> None:
        """Whatever cannot be is told before anything is computed."""
        whole("workers", self.workers, 1)
        whole("replay", self.replay, 0)
        for name in ("device", "executor"):
            of_type(name, getattr(self, name), str)
        of_type("shard_timeout", self.shard_timeout, int, float)
        if not isinstance(self.tags, str | Sequence):
            raise UsageError(f"tags must be a list of words; got {self.tags!r}.")
        of_type("note", self.note, str)
        _ = self.labels

    @property
    def labels(self) -> Labels:
        """What is to be written on the plans. Raises `UsageError` where it cannot be."""
        tags = (self.tags,) if isinstance(self.tags, str) else self.tags
        return Labels.of(tags, () if self.note is None else (self.note,))

    @property
    def means(self) -> Means:
        """With what runs measure, as they are told."""
        return {
            "data_dir": self.data_dir,
            "workers": self.workers,
            "executor": self.executor,
            "replayed": self.replay,
            "shard_timeout": self.shard_timeout,
        }

    def store(self) -> Store:
        """The store, made where there is none."""
        return Store(self.db, artifacts=self.artifacts)

    def plans(self, requests: Sequence[Request]) -> list[Plan]:
        """The requests as plans; raises what is wrong with the first that is none."""
        found = plans_of(requests, self.device)
        for each in found:
            if isinstance(each, BenchError):
                raise each
        return [each for each in found if isinstance(each, Plan)]

    def run(self, plans: Sequence[Plan], store: Store) -> list[Evaluation]:
        """Evaluate plans in one queue, in their order."""
        store.labels.add(plans, self.labels)
        with (
            EvaluationProgress(quiet=self.quiet) as progress,
            Site.open(lambda: resolve_device(self.device), store, progress, **self.means) as site,
        ):
            ended = dict(evaluate_all(site, plans))
        return [ended[position] for position in range(len(plans))]

    def cells(
        self, cells: Sequence[tuple[str, str, Request]], store: Store
    ) -> Iterator[tuple[Cell, EvaluationProgress]]:
        """Evaluate the cells of a sweep in one queue, each as it ends, with the bars to tell of it."""
        with EvaluationProgress(quiet=self.quiet) as progress:
            progress.cells(len(cells))
            for cell in sweep(cells, store, progress, self.device, self.labels, **self.means):
                yield cell, progress
