"""DDN: the direction by the gradient, the length by whether the last one sufficed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from attacks.minimum_norm.norms import lengths
from attacks.parts.ascent import slope
from attacks.parts.losses import cross_entropy
from attacks.parts.nearest import Nearest
from attacks.parts.settings import at_least_one
from bench import Attack, Batch, Perturbed, ThreatModel, UsageError, Victim

if TYPE_CHECKING:
    from torch import Generator


@dataclass(frozen=True)
class DdnL2(Attack):
    """The nearest misclassified image in l2 by decoupled direction and norm (Rony et al. 2019, 1811.09600).

    Steps along the cross-entropy's normalised gradient, of length 1 falling to 0.01 by a cosine; after each the
    perturbation is scaled to a length that shrinks by the share `gamma` where it misleads and grows by it where not.
    Deviation: images are not rounded to 256 levels. A gradient of zero is replaced by a random direction.
    """

    norm: ClassVar[str] = "l2"
    steps: int = 100
    gamma: float = 0.05
    initial: float = 1.0

    def __post_init__(self) -> None:
        at_least_one(self, "steps")
        if not 0 < self.gamma < 1 or self.initial <= 0:
            raise UsageError(f"gamma must lie in (0, 1) and initial be above 0; got {self.gamma} and {self.initial}.")

    def perturb(self, victim: Victim, batch: Batch, threat: ThreatModel, rng: Generator) -> Perturbed:
        """The nearest images, and those of them that lie within `threat`."""
        import torch

        nearest, clean = Nearest.start(victim, batch, threat), batch.images
        delta, sizes = torch.zeros_like(clean), torch.full_like(nearest.distances, self.initial)
        most = torch.maximum(clean, 1 - clean).flatten(1).norm(dim=1)
        for step in range(self.steps):
            logits, _, gradient = slope(victim, clean + delta, batch.labels, cross_entropy)
            misled = nearest.saw(clean + delta, logits, step + 1)
            length = lengths(gradient, "l2")
            chance = torch.empty_like(gradient).normal_(generator=rng)
            gradient = torch.where((length < 1e-12).view(-1, 1, 1, 1), chance, gradient)
            rate = 0.01 + 0.99 * (1 + math.cos(math.pi * step / self.steps)) / 2
            delta = delta + rate * gradient / lengths(gradient, "l2").clamp_min(1e-12).view(-1, 1, 1, 1)
            sizes = torch.minimum(torch.where(misled, sizes * (1 - self.gamma), sizes * (1 + self.gamma)), most)
            delta = delta * (sizes / lengths(delta, "l2").clamp_min(1e-12)).view(-1, 1, 1, 1)
            delta = (clean + delta).clamp(0, 1) - clean
            victim.watch(step + 1, self.steps, "gradient steps")
        return nearest.proposal()
