"""Training runs on a CPU that their watch may interrupt."""

from __future__ import annotations

from pathlib import Path

from bench import ImageSet, Training
from bench.datasets.digits import Digits


class InterruptionError(Exception):
    """Stops a training run from its watch."""


def few_digits() -> ImageSet:
    """The first 64 digits to train on."""
    digits = Digits().load("train", None)
    return ImageSet(digits.task, digits.labels[:64], digits.decode)


def run_of(
    data: ImageSet,
    folder: Path,
    seed: int = 0,
    stop_after: float = float("inf"),
    stage: str = "",
    notes: list[str] | None = None,
) -> Training:
    """A run on these images that is stopped after so much of a stage, as its notes begin; they are kept in `notes`."""

    def watch(done: float, total: float, note: str = "") -> None:
        if notes is not None:
            notes.append(note)
        if note.startswith(stage) and stop_after < done < total:
            raise InterruptionError

    folder.mkdir(exist_ok=True)
    return Training(data.task, data, "cpu", seed, folder, watch, data.read)
