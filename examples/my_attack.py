"""An attack of one's own in one file.

bench evaluate --defense resnet --attack examples/my_attack.py:Momentum --source self -A steps=20
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from bench import Attack, Perturbed, UsageError

if TYPE_CHECKING:
    from torch import Generator

    from bench import Batch, ThreatModel, Victim


@dataclass(frozen=True)
class Momentum(Attack):
    """`steps` along the sign of a gathered gradient (MI-FGSM; Dong et al. 2018, 1710.06081, algorithm 1)."""

    norm: ClassVar[str] = "linf"
    steps: int = 10
    decay: float = 1.0

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise UsageError(f"steps must be at least 1; got {self.steps}.")

    def perturb(self, victim: Victim, batch: Batch, threat: ThreatModel, rng: Generator) -> Perturbed:
        """Images within `threat`; draws nothing from `rng`."""
        import torch
        from torch.nn.functional import cross_entropy

        perturbed, gathered = batch.images, torch.zeros_like(batch.images)
        for step in range(1, self.steps + 1):
            images = perturbed.clone().requires_grad_()
            loss = cross_entropy(victim(images), batch.labels, reduction="sum")
            (gradient,) = torch.autograd.grad(loss, images)
            length = gradient.abs().mean((1, 2, 3), keepdim=True).clamp_min(1e-12)
            gathered = self.decay * gathered + gradient / length
            perturbed = threat.project(batch.images, perturbed + threat.radius / self.steps * gathered.sign())
            victim.watch(step, self.steps, "steps")
        return Perturbed(perturbed)
