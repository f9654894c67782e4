"""Adversarial training: a standard net that learned on the images by which it would have been misled."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from bench import Task, Trained, Training
from defenses.parts.images import is_tiny
from defenses.parts.training.nets import ROBUST_CIFAR, ROBUST_DIGITS, Net
from defenses.parts.training.recipes import RobustRecipe

if TYPE_CHECKING:
    from torch import Generator, Tensor, nn


@dataclass(frozen=True)
class PgdAT(Net):
    """PGD adversarial training of a standard net, stopped when robust accuracy on held-out images settles.

    Madry et al. 2018, 1706.06083; early stopping: Rice et al. 2020, 2002.11569. `network` is the net of the defense of
    that name, and `weights` a file, folder or hub id of it in the same parameter names. The inner attack meets the
    network in evaluation mode, as every later attacker does; the step that follows is in training mode.
    """

    family = "adversarially trained"
    name = "pgd-at"
    network: Literal["resnet", "wide-resnet", "vit"] = "resnet"
    weights: str | None = None

    def net(self, task: Task) -> str:
        """That of the setting."""
        return self.network

    def recipe(self, task: Task) -> RobustRecipe:
        """The published inner attack, 10 steps of 2/255 within 8/255; on tiny images of 0.025 within 0.1."""
        return replace(ROBUST_DIGITS, patience=8) if is_tiny(task) else replace(ROBUST_CIFAR, patience=20)

    def train(self, run: Training, recipe: RobustRecipe) -> Trained:
        """Train from scratch or a start; part of the training images is held out to decide when to stop."""
        from torch.nn import functional

        from defenses.parts.training.adversarial import evaluating, misleading
        from defenses.parts.training.robust_training import learn

        def loss(module: nn.Module, images: Tensor, labels: Tensor, rng: Generator) -> Tensor:
            with evaluating(module):
                perturbed = misleading(module, images, labels, recipe.budget, rng)
            return functional.cross_entropy(module(perturbed), labels, label_smoothing=recipe.label_smoothing)

        return learn(run, recipe, self.name, self.network, loss)
