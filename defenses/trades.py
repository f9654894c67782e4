"""TRADES with generated data: robustness traded against accuracy, learned mostly from images that were drawn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from bench import Network, Task, Trainable, Trained, Training
from defenses.diffusion_classifier import DiffusionClassifier
from defenses.parts.images import is_tiny

if TYPE_CHECKING:
    from defenses.parts.training.trades_training import TradesRecipe

NAME = "trades"
HUB: Mapping[str, str] = {}
Net = Literal["resnet", "wide-resnet", "vit", "wide-resnet-10-1", "wide-resnet-28-10", "wide-resnet-70-16"]


@dataclass(frozen=True)
class Trades(Trainable):
    """A net trained by TRADES on training images and generated ones.

    Zhang et al. 2019, 1901.08573; with generated data, label smoothing and averaged weights: Wang et al. 2023,
    2302.04638. `network` is the net of the standard defense of that name, or the WideResNet-depth-width with
    pre-activation and swish of Wang et al. (None: resnet for images of at most 16 pixels, else wide-resnet-28-10;
    wide-resnet-10-1 is one to try things out). `weights` is a file, folder or hub id of it in the same parameter names,
    or a checkpoint that they released (`checkpoint/cifar10_linf_wrn28-10.pt` of wzekai99/DM-Improves-AT on the hub, or
    RobustBench's Wang2023Better_WRN-28-10).
    """

    family = "adversarially trained"
    network: Net | None = None
    weights: str | None = None

    def resolve(self, task: Task) -> Trades:
        """The same defense with its network spelled out."""
        return replace(self, network=self._network(task))

    def load(self, task: Task, device: str) -> Network:
        """The network with its normalisation inside."""
        from defenses.parts.training.robust_nets import load

        return load(self._network(task), self.files(task)["network"], task, device)

    def files(self, task: Task) -> Mapping[str, Path]:
        """The one checkpoint, and a transformer's configuration where it lies beside it."""
        from defenses.parts.weights.checkpoints import network_file, network_with_config

        if self._network(task) == "vit":
            return network_with_config(NAME, self.weights, task, HUB)
        return {"network": network_file(NAME, self.weights, task, HUB)}

    def recipe(self, task: Task) -> TradesRecipe:
        """The published schedule (400 epochs, batches of 512, rate 0.2); a short one for tiny images."""
        from defenses.parts.training.trades_training import CIFAR, DIGITS

        return DIGITS if is_tiny(task) else CIFAR

    def fine_tuning(self, task: Task) -> TradesRecipe:
        """A tenth of the epochs at a tenth of the rate, which rises first."""
        recipe = self.recipe(task)
        if is_tiny(task):
            return recipe
        epochs, rate = recipe.epochs // 10, recipe.learning_rate / 10
        return replace(recipe, epochs=epochs, learning_rate=rate, warmup=500, clip=1.0)

    def train(self, run: Training, recipe: TradesRecipe) -> Trained:
        """Train from scratch or a start; generated images are drawn first where none are given."""
        from defenses.parts.training.trades_training import learn

        return learn(run, recipe, NAME, self._network(run.task), DiffusionClassifier(weights=recipe.denoiser))

    def _network(self, task: Task) -> Net:
        return self.network or ("resnet" if is_tiny(task) else "wide-resnet-28-10")
