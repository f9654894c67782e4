"""FMN: steps along the gradient within a ball that adapts to the distance of the boundary."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from attacks.minimum_norm.norms import farthest, lengths, shortened
from attacks.parts.ascent import slope
from attacks.parts.losses import margin
from attacks.parts.making import in_norms
from attacks.parts.nearest import Nearest
from attacks.parts.settings import at_least_one
from bench import Attack, Batch, Perturbed, ThreatModel, UsageError, Victim

if TYPE_CHECKING:
    from torch import Generator, Tensor

BEYOND = {"linf": 1.01, "l2": 1.2, "l1": 1.2}
"""How far the ball reaches beyond the boundary's estimated distance until something misleads: on the boundary itself
nothing does, and where it curves away the estimate falls short for ever."""
DUAL = {"linf": "l1", "l2": "l2", "l1": "linf"}


@dataclass(frozen=True)
class Fmn(Attack):
    """The nearest misclassified image by the fast minimum-norm attack (Pintor et al. 2021, 2102.12827) in the norm of a
    subclass.

    Every step goes `step_size` along the lead's normalised gradient, which falls to a hundredth by a cosine, and back
    into a ball. Its size is a little more than the linear estimate of the boundary's distance until something misleads;
    from then on it shrinks by the share `gamma` (falling to `gamma_final`) where the image misleads, and grows by it
    where not. In l0 positions count, all channels together, as the harness counts them.
    """

    revision: ClassVar[str] = "2"
    steps: int = 100
    step_size: float = 1.0
    gamma: float = 0.05
    gamma_final: float = 0.001

    def __post_init__(self) -> None:
        at_least_one(self, "steps")
        if self.step_size <= 0 or not 0 < self.gamma_final <= self.gamma < 1:
            raise UsageError(
                f"step_size must be above 0, and 0 < gamma_final <= gamma < 1; got {self.step_size}, "
                f"{self.gamma_final} and {self.gamma}."
            )

    def perturb(self, victim: Victim, batch: Batch, threat: ThreatModel, rng: Generator) -> Perturbed:
        """The nearest images, and those of them that lie within `threat`; draws nothing from `rng`."""
        import torch

        nearest, clean = Nearest.start(victim, batch, threat), batch.images
        delta, most = torch.zeros_like(clean), farthest(clean, self.norm)
        sizes = torch.ones_like(most) if self.norm == "l0" else torch.full_like(most, torch.inf)
        for step in range(self.steps):
            share = (1 + math.cos(math.pi * step / self.steps)) / 2
            rate = self.step_size * (0.01 + 0.99 * share)
            gamma = self.gamma_final + (self.gamma - self.gamma_final) * share
            logits, leads, gradient = slope(victim, clean + delta, batch.labels, margin)
            misled = nearest.saw(clean + delta, logits, step + 1)
            sizes = torch.minimum(self._resized(nearest, delta, misled, leads, gradient, sizes, gamma), most)
            moved = delta + rate * gradient / lengths(gradient, "l2").clamp_min(1e-12).view(-1, 1, 1, 1)
            delta = (clean + shortened(moved, self.norm, sizes)).clamp(0, 1) - clean
            victim.watch(step + 1, self.steps, "gradient steps")
        return nearest.proposal()

    def _resized(
        self,
        nearest: Nearest,
        delta: Tensor,
        misled: Tensor,
        leads: Tensor,
        gradient: Tensor,
        sizes: Tensor,
        gamma: float,
    ) -> Tensor:
        """The next size (N,) of each sample's ball."""
        import torch

        best = nearest.distances.to(sizes)
        if self.norm == "l0":
            smaller = torch.minimum(torch.minimum(sizes - 1, (sizes * (1 - gamma)).floor()), best)
            larger = torch.maximum(sizes + 1, (sizes * (1 + gamma)).floor())
            return torch.where(misled, smaller, larger).clamp_min(0)
        estimate = leads.abs() / lengths(gradient, DUAL[self.norm]).clamp_min(1e-12)
        found = best.isfinite()
        further = torch.where(found, sizes * (1 + gamma), BEYOND[self.norm] * (lengths(delta, self.norm) + estimate))
        return torch.where(misled, torch.minimum(sizes * (1 - gamma), best), further)


FmnLinf, FmnL2, FmnL1, FmnL0 = in_norms(
    Fmn,
    ("linf", "l2", "l1", "l0"),
    "The nearest misclassified image in {norm} by the fast minimum-norm attack (Pintor et al. 2021, 2102.12827).",
)
