"""Adam for samples that leave as they are settled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

BETAS, STABILITY = (0.9, 0.999), 1e-8


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
        self.mean = BETAS[0] * self.mean + (1 - BETAS[0]) * gradient
        self.square = BETAS[1] * self.square + (1 - BETAS[1]) * gradient.square()
        mean, square = self.mean / (1 - BETAS[0] ** self.taken), self.square / (1 - BETAS[1] ** self.taken)
        self.points = self.points.detach() - rate * mean / (square.sqrt() + STABILITY)
