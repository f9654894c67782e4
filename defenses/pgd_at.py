"""Adversarial training: a standard net that learned on the images by which it would have been misled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from bench import Network, Task, Trainable, Trained, Training
from defenses.parts.images import is_tiny

if TYPE_CHECKING:
    from torch import Generator, Tensor, nn

    from defenses.parts.training.robust_training import RobustRecipe

NAME = "pgd-at"
HUB: Mapping[str, str] = {}


@dataclass(frozen=True)
class PgdAT(Trainable):
    """PGD adversarial training of a standard net, stopped when robust accuracy on held-out images settles.

    Madry et al. 2018, 1706.06083; early stopping: Rice et al. 2020, 2002.11569. `network` is the net of the defense of
    that name, and `weights` a file, folder or hub id of it in the same parameter names. The inner attack meets the
    network in evaluation mode, as every later attacker does; the step that follows is in training mode.
    """

    family = "adversarially trained"
    network: Literal["resnet", "wide-resnet", "vit"] = "resnet"
    weights: str | None = None

    def load(self, task: Task, device: str) -> Network:
        """The network with its normalisation inside."""
        from defenses.parts.training.robust_nets import load

        return load(self.network, self.files(task)["network"], task, device)

    def files(self, task: Task) -> Mapping[str, Path]:
        """The one checkpoint, and a transformer's configuration where it lies beside it."""
        from defenses.parts.weights.checkpoints import network_file, network_with_config

        if self.network == "vit":
            return network_with_config(NAME, self.weights, task, HUB)
        return {"network": network_file(NAME, self.weights, task, HUB)}

    def recipe(self, task: Task) -> RobustRecipe:
        """The published inner attack, 10 steps of 2/255 within 8/255; on tiny images of 0.025 within 0.1."""
        from defenses.parts.training.robust_training import RobustRecipe

        if is_tiny(task):
            return RobustRecipe(
                epochs=120,
                batch=64,
                learning_rate=0.1,
                weight_decay=5e-4,
                averaging=0.995,
                augmentation="affine",
                epsilon=Fraction("0.1"),
                step_size=Fraction("0.025"),
                held_out=0.15,
                every=5,
                patience=8,
            )
        return RobustRecipe(
            epochs=200,
            batch=128,
            learning_rate=0.1,
            weight_decay=5e-4,
            averaging=0.0,
            augmentation="crop-flip",
            epsilon=Fraction("8/255"),
            step_size=Fraction("2/255"),
            patience=20,
        )

    def fine_tuning(self, task: Task) -> RobustRecipe:
        """A tenth of the epochs at a tenth of the rate, which rises first."""
        recipe = self.recipe(task)
        if is_tiny(task):
            return recipe
        epochs, rate = recipe.epochs // 10, recipe.learning_rate / 10
        return replace(recipe, epochs=epochs, learning_rate=rate, warmup=500, clip=1.0)

    def train(self, run: Training, recipe: RobustRecipe) -> Trained:
        """Train from scratch or a start; part of the training images is held out to decide when to stop."""
        from torch.nn import functional

        from defenses.parts.training.adversarial import evaluating, misleading
        from defenses.parts.training.robust_training import learn

        def loss(module: nn.Module, images: Tensor, labels: Tensor, rng: Generator) -> Tensor:
            with evaluating(module):
                perturbed = misleading(module, images, labels, recipe.budget, rng)
            return functional.cross_entropy(module(perturbed), labels, label_smoothing=recipe.label_smoothing)

        return learn(run, recipe, NAME, self.network, loss)
