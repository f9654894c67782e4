"""What a process that trains does with its jobs; what it gives back is plain data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.domain.errors import BenchError, kind_of
from bench.training.training import TrainingRequest, train
from bench.training.trial import attempt

DONE = "done"


@dataclass(frozen=True)
class Attempt:
    """A training to be tried in a folder for so many seconds."""

    request: TrainingRequest
    folder: Path
    seconds: float


Run = Callable[[Any, Callable[..., None]], tuple[str, Any]]


def run_of(role: str, device: str, cores: int) -> Run:
    """What a worker of this role does with a job, on as many cores as torch takes: (`DONE`, a document), or (a kind of
    error, its sentence)."""

    def run(job: TrainingRequest | Attempt, watch: Callable[..., None]) -> tuple[str, Any]:
        try:
            if isinstance(job, Attempt):
                found = asdict(attempt(job.request, job.folder, job.seconds))
            else:
                found = asdict(train(job, watch))
        except BenchError as error:
            return kind_of(error), str(error)
        return DONE, {name: str(value) if isinstance(value, Path) else value for name, value in found.items()}

    return run
