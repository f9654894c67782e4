"""Generated images to learn from: read from `bench generate` or a published file, or drawn once within a run."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import torch
from torch import Generator, Tensor

from bench import DataError, Task, Training, Watch
from defenses.parts.randomness import stream
from defenses.parts.training import stored
from defenses.parts.training.robust_training import Extra
from defenses.parts.weights.checkpoints import save

PIECE = 4096
"""Images that are drawn at once, noise and all."""


def given(place: str, run: Training, share: float) -> Extra:
    """The images of a `bench generate` folder, or those in a file. Raises `DataError` where they do not fit."""
    path = Path(place).expanduser()
    if path.is_dir():
        path = next(
            (found for found in (path / f"images{suffix}" for suffix in stored.SUFFIXES) if found.is_file()), path
        )
    if path.suffix not in stored.SUFFIXES or not path.is_file():
        raise DataError(f"The generated images {path} cannot be read: there is no .safetensors or .npz file.")
    images = stored.open_images(path, run.task, run.folder)
    with path.open("rb") as file:
        return Extra(images, share, hashlib.file_digest(file, "sha256").hexdigest())


class Model(Protocol):
    """A defense that draws images of wanted classes."""

    def files(self, task: Task) -> Mapping[str, Path]: ...
    def sample(self, task: Task, device: str, labels: Tensor, steps: int, rng: Generator, watch: Watch) -> Tensor: ...


def drawn(run: Training, model: Model, count: int, steps: int, share: float) -> Extra:
    """Images that a model draws, as many of each class, kept in the run's folder.

    A file that an interrupted run left is taken where the model's files, the number, the steps and the seed are the
    same.
    """
    weights = hashlib.sha256()
    for file in model.files(run.task).values():
        weights.update(file.read_bytes())
    path = run.folder / f"generated-{count}-{steps}-{run.seed}-{weights.hexdigest()[:8]}.safetensors"
    if not path.is_file():
        labels = torch.arange(count) % len(run.task.classes)
        rng = stream(run.seed, "generated")
        images: list[Tensor] = []
        for classes in labels.split(PIECE):
            watch = _later(run.watch, len(images) * PIECE, count)
            images.append(model.sample(run.task, run.device, classes, steps, rng, watch).cpu())
        save(path, {"images": torch.cat(images), "labels": labels})
    return given(str(path), run, share)


def _later(watch: Watch, before: int, whole: int) -> Watch:
    """A watch of one piece of a larger whole, after what came before."""

    def tell(done: float, total: float, note: str = "") -> None:
        watch(before + done, whole, note)

    return tell
