"""The vision transformer: ViT-B/16 for photographs, a small one for tiny images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench import Network, Task, Trainable, Trained, Training
from defenses.parts.images import is_tiny

if TYPE_CHECKING:
    from defenses.parts.training.classification import ClassifierRecipe

NAME = "vit"
HUB = {"cifar10": "nateraw/vit-base-patch16-224-cifar10"}


@dataclass(frozen=True)
class ViT(Trainable):
    """ViT-B/16 at 224 pixels; on images of at most 16 pixels a small transformer with patches of 2 pixels.

    Dosovitskiy et al. 2020, 2010.11929, through transformers. `weights` is a file, a folder or a hub id (default for
    cifar10: nateraw/vit-base-patch16-224-cifar10), its configuration inside it or in `config.json` beside it, or a file
    in timm's or torchvision's names. Images are normalised with mean and deviation 0.5 and enlarged bilinearly to the
    size that the transformer reads.
    """

    family = "standard nets"
    weights: str | None = None

    def load(self, task: Task, device: str) -> Network:
        """The transformer with resizing and normalisation inside."""
        from defenses.parts.networks.transformer import load

        return Network(load(self.files(task)["network"], task).to(device), *_half(task))

    def files(self, task: Task) -> Mapping[str, Path]:
        """The one checkpoint, and the configuration beside it where there is one."""
        from defenses.parts.weights.checkpoints import network_with_config

        return network_with_config(NAME, self.weights, task, HUB)

    def recipe(self, task: Task) -> ClassifierRecipe:
        """AdamW with warm-up and a cosine."""
        from defenses.parts.training.classification import ClassifierRecipe

        if is_tiny(task):
            return ClassifierRecipe(150, 64, "adamw", 2e-3, 0.05, 200, 0.1, 0.998, "affine", clip=1.0)
        return ClassifierRecipe(200, 128, "adamw", 5e-4, 0.05, 2000, 0.1, 0.9999, "crop-flip", clip=1.0)

    def fine_tuning(self, task: Task) -> ClassifierRecipe:
        """Five epochs of AdamW at a small rate."""
        from defenses.parts.training.classification import ClassifierRecipe

        if is_tiny(task):
            return self.recipe(task)
        return ClassifierRecipe(5, 128, "adamw", 5e-5, 0.01, 200, 0.0, 0.0, "crop-flip", clip=1.0)

    def train(self, run: Training, recipe: ClassifierRecipe) -> Trained:
        """Train from scratch, or from the weights that the recipe starts from."""
        from defenses.parts.networks.transformer import build, started, store
        from defenses.parts.randomness import ambient
        from defenses.parts.training.classification import learn
        from defenses.parts.weights import starts

        start = starts.find(NAME, recipe.start, run.task)
        with ambient(run.seed):
            module = build(run.task) if start is None else started(start.path, run.task)
        return learn(run, recipe, NAME, module, _half(run.task), store, start)


def _half(task: Task) -> tuple[tuple[float, ...], tuple[float, ...]]:
    return (0.5,) * task.shape[0], (0.5,) * task.shape[0]
