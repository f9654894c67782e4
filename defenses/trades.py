"""TRADES with generated data: robustness traded against accuracy, learned mostly from images that were drawn."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from bench import Task, Trained, Training
from defenses.diffusion_classifier import DiffusionClassifier
from defenses.parts.images import is_tiny
from defenses.parts.training import nets
from defenses.parts.training.recipes import TradesRecipe

DIGITS = replace(TradesRecipe(**vars(nets.ROBUST_DIGITS)), label_smoothing=0.1, share=0.3)
"""The share, of 0, 0.2, 0.3, 0.5 and 0.7, with the best robust accuracy on held-out training images: a denoiser that
learned from 773 images knows little that is not in them."""
CIFAR = replace(
    TradesRecipe(**vars(nets.ROBUST_CIFAR)),
    epochs=400,
    batch=512,
    learning_rate=0.2,
    averaging=0.995,
    label_smoothing=0.1,
    warmup=1000,
)
"""Wang et al. 2023, 2302.04638, section 4 and the released `train-wa.py`.

Deviations: the rate rises linearly in 1000 steps, there as a cosine in 2.5 % of the epochs; momentum is 0.9, there it
goes from 0.95 to 0.85 and back with the rate (the default of torch's one-cycle schedule, though 0.9 is published);
weights decay in batch norms too, whose momentum is 0.1, there 0.01; their running statistics are averaged with the
weights, there taken from the last step. The best weights are chosen by PGD of 20 steps on 1000 images, there by 40
steps of the Carlini-Wagner loss on 1024.
"""
NetName = Literal["resnet", "wide-resnet", "vit", "wide-resnet-10-1", "wide-resnet-28-10", "wide-resnet-70-16"]


@dataclass(frozen=True)
class Trades(nets.Net):
    """A net trained by TRADES on training images and generated ones.

    Zhang et al. 2019, 1901.08573; with generated data, label smoothing and averaged weights: Wang et al. 2023,
    2302.04638. `network` is the net of the standard defense of that name, or the WideResNet-depth-width with
    pre-activation and swish of Wang et al. (None: resnet for images of at most 16 pixels, else wide-resnet-28-10;
    wide-resnet-10-1 is one to try things out). `weights` is a file, folder or hub id of it in the same parameter names,
    or a checkpoint that they released (`checkpoint/cifar10_linf_wrn28-10.pt` of wzekai99/DM-Improves-AT on the hub, or
    RobustBench's Wang2023Better_WRN-28-10).
    """

    family = "adversarially trained"
    name = "trades"
    network: NetName | None = None
    weights: str | None = None

    def resolve(self, task: Task) -> Trades:
        """The same defense with its network spelled out."""
        return replace(self, network=self.net(task))

    def net(self, task: Task) -> NetName:
        """That of the setting, else one for images of this size."""
        return self.network or ("resnet" if is_tiny(task) else "wide-resnet-28-10")

    def recipe(self, task: Task) -> TradesRecipe:
        """The published schedule (400 epochs, batches of 512, rate 0.2); a short one for tiny images."""
        return DIGITS if is_tiny(task) else CIFAR

    def train(self, run: Training, recipe: TradesRecipe) -> Trained:
        """Train from scratch or a start; generated images are drawn first where none are given."""
        from defenses.parts.training.trades_training import learn

        return learn(run, recipe, self.name, self.net(run.task), DiffusionClassifier(weights=recipe.denoiser))
