"""Generated images to learn from: read from `bench generate`, or drawn once within a training run."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch

from bench import DataError, Task, Training, UsageError, WeightsError
from defenses.diffusion_classifier import DiffusionClassifier
from defenses.parts.checkpoints import read, save
from defenses.parts.randomness import stream
from defenses.parts.robust_training import Extra
from defenses.parts.standard import is_tiny


def given(place: str, task: Task, share: float) -> Extra:
    """The images of a `bench generate` folder, or of its file of images. Raises `DataError` where they do not fit."""
    path = Path(place).expanduser()
    path = path / "images.safetensors" if path.is_dir() else path
    try:
        tensors, _ = read(path)
    except WeightsError as error:
        raise DataError(f"The generated images {path} cannot be read: {error}") from error
    images, labels = tensors.get("images"), tensors.get("labels")
    if images is None or labels is None or images.shape != (len(labels), *task.shape):
        found = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
        raise DataError(
            f"{path} should hold images (N, {', '.join(map(str, task.shape))}) and labels (N,) as `bench generate` "
            f"writes them; found {found}."
        )
    if not 0 <= int(labels.min()) <= int(labels.max()) < len(task.classes):
        raise DataError(f"The labels in {path} should lie below {len(task.classes)}, the classes of {task.dataset}.")
    return Extra(images, labels, share, hashlib.sha256(path.read_bytes()).hexdigest())


def drawn(run: Training, denoiser: str | None, count: int, steps: int, share: float) -> Extra:
    """Images by diffusion-classifier's pixel denoiser, as many of each class, kept in the run's folder.

    A file that an interrupted run left is taken where the denoiser, the number, the steps and the seed are the same.
    Raises `UsageError` where there is no denoiser for the task.
    """
    if denoiser is None and not is_tiny(run.task):
        raise UsageError(
            "Generated images are wanted: pass -T generated=FOLDER (of `bench generate`), -T denoiser=FILE (of "
            "`bench train diffusion-classifier`), or -T share=0 to learn without them."
        )
    defense = DiffusionClassifier(weights=denoiser)
    weights = hashlib.sha256()
    for file in defense.files(run.task).values():
        weights.update(file.read_bytes())
    path = run.folder / f"generated-{count}-{steps}-{run.seed}-{weights.hexdigest()[:8]}.safetensors"
    if not path.is_file():
        labels = torch.arange(count) % len(run.task.classes)
        rng = stream(run.seed, "generated")
        images = defense.sample(run.task, run.device, labels, steps, rng, run.watch)
        save(path, {"images": images, "labels": labels})
    return given(str(path), run.task, share)
