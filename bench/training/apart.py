"""Trainings in a process of their own: a plugin that learns there cannot reach who judges it later."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.domain.errors import PluginError, error_of
from bench.executors.worker import Worker
from bench.training.roles import DONE, Attempt
from bench.training.training import TrainingReport, TrainingRequest
from bench.training.trial import SECONDS, TriedTraining

if TYPE_CHECKING:
    from bench.domain.defense import Watch


def train_apart(request: TrainingRequest, watch: Watch) -> TrainingReport:
    """`train` in a process that ends with it. Raises what `train` raises, `PluginError` where the process is gone."""
    found = _apart(request, request.device, watch)
    report = TrainingReport(**{**found, "weights": Path(found["weights"]), "card": Path(found["card"])})
    if not report.weights.is_file() or report.weights.parent.resolve() != request.folder.resolve():
        raise PluginError(f"{request.defense} has trained, and its weights do not lie in {request.folder}.")
    return report


def attempt_apart(request: TrainingRequest, folder: Path, seconds: float = SECONDS) -> TriedTraining:
    """`attempt` in a process that ends with it. Raises likewise."""
    found = _apart(Attempt(request, folder, seconds), request.device, lambda done, total, note="": None)
    weights = found["weights"]
    return TriedTraining(**{**found, "weights": None if weights is None else Path(weights)})


def _apart(job: TrainingRequest | Attempt, device: str, watch: Watch) -> dict[str, Any]:
    worker = Worker("train", device)
    try:
        worker.start(job)
        report = worker.read()
        while report is None or not report.finished:
            if report is not None:
                watch(report.done, report.total, report.note)
            report = worker.read()
    finally:
        worker.close()
    if report.failure is not None:
        raise PluginError(report.failure)
    kind, found = report.data
    if kind != DONE:
        raise error_of(kind, found)
    answer: dict[str, Any] = found
    return answer
