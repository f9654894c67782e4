"""sigma-zero: a smooth stand-in for the number of changed positions, and a threshold that keeps few."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from attacks.parts.descent import BETAS, STABILITY
from attacks.parts.losses import margin
from attacks.parts.nearest import Nearest
from attacks.parts.settings import above_zero, at_least_one
from bench import Attack, Batch, Perturbed, ThreatModel, Victim

if TYPE_CHECKING:
    from torch import Generator


@dataclass(frozen=True)
class SigmaZeroL0(Attack):
    """The misclassified image with the fewest changed positions (sigma-zero; Cina et al. 2024, 2402.01879).

    Adam on the true class's lead, where there is one, plus the mean over positions of s / (s + `sigma`), s a position's
    summed squares; gradients are scaled to a largest entry of 1. After each step positions whose largest change is
    below a threshold are put back; it starts at `threshold` and rises by `adjustment` times the step where the image
    misleads, else falls. Deviation: positions count and not their channels, as the harness counts them.
    """

    norm: ClassVar[str] = "l0"
    steps: int = 1000
    step_size: float = 1.0
    sigma: float = 1e-3
    threshold: float = 0.3
    adjustment: float = 0.01

    def __post_init__(self) -> None:
        at_least_one(self, "steps")
        above_zero(self, "step_size", "sigma")

    def perturb(self, victim: Victim, batch: Batch, threat: ThreatModel, rng: Generator) -> Perturbed:
        """The sparsest images, and those of them that lie within `threat`; draws nothing from `rng`."""
        import torch

        nearest, clean = Nearest.start(victim, batch, threat), batch.images
        delta, mean, square = (torch.zeros_like(clean) for _ in range(3))
        limit, rate = torch.full_like(nearest.distances, self.threshold), self.step_size
        for step in range(self.steps):
            leaf = delta.detach().requires_grad_()
            with torch.enable_grad():
                logits = victim(clean + leaf)
                sizes = leaf.square().sum(1)
                sparse = (sizes / (sizes + self.sigma)).flatten(1).mean(1)
                loss = (-margin(logits, batch.labels)).clamp_min(0) + sparse
            (gradient,) = torch.autograd.grad(loss.sum(), leaf)
            misled = nearest.saw((clean + delta).clamp(0, 1), logits.detach(), step + 1)
            gradient = gradient / gradient.flatten(1).abs().amax(1).clamp_min(1e-12).view(-1, 1, 1, 1)
            mean = BETAS[0] * mean + (1 - BETAS[0]) * gradient
            square = BETAS[1] * square + (1 - BETAS[1]) * gradient.square()
            metric = (square / (1 - BETAS[1] ** (step + 1))).sqrt() + STABILITY
            delta = delta - rate / (1 - BETAS[0] ** (step + 1)) * mean / metric
            delta = (clean + delta).clamp(0, 1) - clean
            rate = self.step_size * (0.1 + 0.9 * (1 + math.cos(math.pi * step / self.steps)) / 2)
            limit = (limit + torch.where(misled, 1.0, -1.0) * self.adjustment * rate).clamp(0, 1)
            kept = delta.abs().amax(1, keepdim=True) >= limit.view(-1, 1, 1, 1)
            delta = torch.where(kept, delta, 0.0)
            victim.watch(step + 1, self.steps, "gradient steps")
        return nearest.proposal()
