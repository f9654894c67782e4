"""A defense of one's own in one file.

bench evaluate --defense examples/my_defense.py:FewGreys --attack pgd-linf --source self -D levels=2
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench import Classifier, Defense, Task, UsageError

if TYPE_CHECKING:
    from torch import Generator, Tensor


@dataclass(frozen=True)
class FewGreys(Defense):
    """Digits by the nearest class mean, behind a reduction of every pixel to `levels` + 1 greys."""

    levels: int = 4

    def load(self, task: Task, device: str) -> Classifier:
        """The means (K, C x H x W) of the training images. Raises `UsageError` for any data set but the digits."""
        import torch

        from bench.datasets.digits import Digits

        if task.dataset != "digits":
            raise UsageError(f"This example knows the digits alone; use --dataset digits instead of {task.dataset}.")
        data = Digits().load("train", None)
        batch = data.read(range(len(data))).to(device)
        means = [batch.images[batch.labels == label].mean(0).flatten() for label in range(10)]
        return Rounded(NearestMean(torch.stack(means)), self.levels)


class NearestMean(Classifier):
    """Scores a class by how near its mean is."""

    def __init__(self, means: Tensor) -> None:
        self.means = means

    def __call__(self, images: Tensor, rng: Generator) -> Tensor:
        return -(images.flatten(1)[:, None] - self.means).square().sum(2)


class Rounded(Classifier):
    """A classifier of rounded images; rounding has no gradient, so attacks climb the unrounded one's (BPDA)."""

    differentiable = False

    def __init__(self, inner: Classifier, levels: int) -> None:
        self.inner, self.levels = inner, levels

    def __call__(self, images: Tensor, rng: Generator) -> Tensor:
        return self.inner((images * self.levels).round() / self.levels, rng)

    def stand_in(self) -> Classifier:
        return self.inner
