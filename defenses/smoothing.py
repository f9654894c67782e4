"""Randomized smoothing: the class that a network trained on noise predicts most often under noise."""

from __future__ import annotations

from dataclasses import dataclass, replace

from bench import Smoothed, Task
from defenses.parts.training.nets import Plain
from defenses.parts.training.recipes import ClassifierRecipe


@dataclass(frozen=True)
class Smoothing(Plain):
    """A residual network's majority vote under Gaussian noise, which can be certified.

    Cohen et al. 2019, 1902.02918. PREDICT with `draws` votes abstains where the two-sided binomial test of the two
    most frequent classes has a p-value above `alpha`. `sigma` (pixels in [0, 1]) should be that of the training.
    `weights` is a file of `bench train`, or a checkpoint of the paper's CIFAR networks (`checkpoint.pth.tar`).
    `copies` noisy images make the gradient that white-box attacks get in place of the vote's. `rows` noisy images go
    through the network at once, by default what fits into the device.
    """

    family = "certified by smoothing"
    name, kind = "smoothing", "resnet"
    sigma: float = 0.25
    draws: int = 100
    alpha: float = 0.001
    copies: int = 4
    rows: int | None = None

    def load(self, task: Task, device: str) -> Smoothed:
        """The vote over the network with its normalisation inside and batch norm folded."""
        from defenses.parts.diffusion.memory import noisy_rows
        from defenses.parts.networks.cohen import is_official, load
        from defenses.parts.purification.smoothed import GaussianVote, Vote

        path = self.files(task)["network"]
        network = load(path, task, device) if is_official(path) else super().load(task, device)
        vote = Vote(self.sigma, self.draws, self.alpha, self.copies)
        return GaussianVote(network, len(task.classes), vote, *noisy_rows(network, task, device, self.rows))

    def recipe(self, task: Task) -> ClassifierRecipe:
        """That of `resnet` with Gaussian noise of this `sigma` added to every training image."""
        return replace(super().recipe(task), noise=self.sigma)
