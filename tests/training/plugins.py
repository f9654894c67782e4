"""Plugins that write down what a training run does with them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from safetensors.torch import save_file

from bench import (
    Attack,
    Batch,
    Classifier,
    Dataset,
    ImageSet,
    Perturbed,
    Split,
    Task,
    ThreatModel,
    Trainable,
    Trained,
    Training,
    Victim,
)

if TYPE_CHECKING:
    from torch import Generator, Tensor

TASK = Task("written-down", ("dark", "light"), (1, 2, 2))
SIZE = 600
DECODED: list[int] = []
ATTACKED: list[tuple[int, ...]] = []
LOADED: list[str] = []
ROOM: list[int] = []
"""The most images that fit into memory at once; empty for any number."""


@dataclass(frozen=True)
class WrittenDown(Dataset):
    """Grey images of two classes; which of the training images are decoded is written down."""

    def load(self, split: Split, folder: Path | None) -> ImageSet:
        def decode(index: int) -> Any:
            if split == "train":
                DECODED.append(index)
            return np.full((1, 2, 2), (index % 256) / np.float32(255), dtype=np.float32)

        return ImageSet(TASK, np.arange(SIZE) % 256 // 128, decode)


@dataclass(frozen=True)
class Darken(Attack):
    """Takes `share` of epsilon from every pixel that has as much."""

    norm: ClassVar[str] = "linf"
    share: float = 1.0

    def perturb(self, victim: Victim, batch: Batch, threat: ThreatModel, rng: Generator) -> Perturbed:
        ATTACKED.append(batch.indices)
        victim(batch.images)
        return Perturbed((batch.images - self.share * float(threat.epsilon)).clamp_min(0))


class Bright(Classifier):
    """The brightness of an image against a half; as many images at once as there is room for."""

    def __init__(self) -> None:
        self.rows = SIZE

    def __call__(self, images: Tensor, rng: Generator) -> Tensor:
        if ROOM and min(len(images), self.rows) > ROOM[0]:
            raise MemoryError
        bright = images.mean((1, 2, 3))
        return torch.stack([0.5 - bright, bright - 0.5], 1)

    def shrink(self) -> str | None:
        self.rows //= 2
        return f"chunks of {self.rows}"


@dataclass(frozen=True)
class Recipe:
    """Which training images are asked for, perturbed."""

    first: int = 0
    last: int = 10
    fails: bool = False
    start: str | None = None
    steps: int = 100


@dataclass(frozen=True)
class Learner(Trainable):
    """Stores the brightness of the perturbed images that it asked for, and measures them afterwards."""

    weights: str | None = None

    def load(self, task: Task, device: str) -> Classifier:
        LOADED.append(str(self.weights))
        return Bright()

    def recipe(self, task: Task) -> Recipe:
        return Recipe()

    def fine_tuning(self, task: Task) -> Recipe:
        return Recipe(steps=7)

    def train(self, run: Training, recipe: Recipe) -> Trained:
        batch = run.adversarial(range(recipe.first, recipe.last))
        path = run.folder / "learner.safetensors"
        save_file({"images": batch.images, "labels": batch.labels}, path)

        def measure() -> dict[str, float]:
            assert path.with_suffix(".json").is_file()
            if recipe.fails:
                raise ZeroDivisionError("nothing to divide by")
            return {"measured": 1.0}

        return Trained(path, {"steps": float(recipe.steps)}, measure)
