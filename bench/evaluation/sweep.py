"""A protocol's attacks x defenses, cell by cell, by workers that all cells share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bench.domain.errors import BenchError, UsageError
from bench.evaluation.evaluate import Evaluation, Observer, evaluate_with
from bench.evaluation.executors import Crew
from bench.evaluation.planning import Request, make_plan
from bench.registry import defenses
from bench.store.store import Store

ALL = "all"


@dataclass(frozen=True)
class Cell:
    """One defense under one attack: what its evaluation did, or the sentence that says why there is none."""

    defense: str
    attack: str
    evaluation: Evaluation | None
    problem: str | None

    @property
    def failed(self) -> bool:
        """Whether any of its shards is missing."""
        return self.evaluation is None or bool(self.evaluation.failures)


def choose_defenses(names: Sequence[str]) -> tuple[str, ...]:
    """The defenses of a sweep: those named, or for 'all' every registered one that needs no setting to be given."""
    if ALL not in names:
        return tuple(dict.fromkeys(names))
    if len(names) > 1:
        raise UsageError("--defense all already names every defense; leave the others out.")
    return tuple(listing.name for listing in defenses.listings() if "required" not in listing.settings.values())


def cells(request: Request, names: Iterable[str], attacks: Iterable[str]) -> list[Request]:
    """One request a cell, attack by attack, so that the images of an attack are crafted when it begins."""
    return [replace(request, defense=name, attack=attack) for attack in attacks for name in names]


def sweep(
    requests: Sequence[Request],
    store: Store,
    observer: Observer,
    device: Callable[[], str],
    data_dir: Path | None = None,
    workers: int | None = None,
) -> Iterator[Cell]:
    """Evaluate cell by cell, yielding each as it ends; a cell that fails does not stop the others."""
    with Crew(device, data_dir, store.artifacts.folder, observer.progressed, workers) as crew:
        for request in requests:
            try:
                plan = make_plan(request)
                yield Cell(request.defense, request.attack, evaluate_with(crew, plan, store, observer), None)
            except BenchError as error:
                yield Cell(request.defense, request.attack, None, str(error))
