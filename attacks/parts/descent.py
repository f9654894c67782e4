"""Adam, also for samples that leave as they are settled, and rates that fall by a cosine."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

BETAS, STABILITY = (0.9, 0.999), 1e-8


def cosine(step: int, steps: int, first: float, last: float) -> float:
    """A value that falls from `first` to `last` in so many steps."""
    return last + (first - last) * (1 + math.cos(math.pi * step / steps)) / 2


def moments(mean: Tensor, square: Tensor, gradient: Tensor, number: int) -> tuple[Tensor, Tensor, Tensor]:
    """Adam's running means of gradients (M, ...) and of their squares after one more, the first being `number` 1, and
    the root (M, ...) of the second by which a step along the first is divided."""
    mean = BETAS[0] * mean + (1 - BETAS[0]) * gradient
    square = BETAS[1] * square + (1 - BETAS[1]) * gradient.square()
    return mean, square, (square / (1 - BETAS[1] ** number)).sqrt() + STABILITY


@dataclass
class Adam:
    """Adam (Kingma and Ba 2014, 1412.6980) over `points` (M, ...), those of the samples at `rows` (M,) of a batch.

    torch.optim's has no way to let samples leave, and rounds otherwise.
    """

    rows: Tensor
    points: Tensor
    mean: Tensor
    square: Tensor
    taken: int = 0

    @classmethod
    def start(cls, points: Tensor) -> Adam:
        """Before the first step, with every sample of a batch."""
        import torch

        rows = torch.arange(len(points), device=points.device)
        return cls(rows, points, torch.zeros_like(points), torch.zeros_like(points))

    def keep(self, staying: Tensor) -> Adam:
        """The same descent with the samples that stay (M,) bool."""
        points = self.points.detach()[staying]
        return Adam(self.rows[staying], points, self.mean[staying], self.square[staying], self.taken)

    def step(self, gradient: Tensor, rate: float) -> None:
        """One step down the gradient."""
        self.taken += 1
        self.mean, self.square, metric = moments(self.mean, self.square, gradient, self.taken)
        self.points = self.points.detach() - rate * (self.mean / (1 - BETAS[0] ** self.taken)) / metric
