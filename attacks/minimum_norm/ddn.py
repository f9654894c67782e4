"""DDN: the direction by the gradient, the length by whether the last one sufficed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from attacks.minimum_norm.norms import farthest, lengths, scale, within
from attacks.parts.ascent import wide
from attacks.parts.descent import cosine
from attacks.parts.losses import cross_entropy
from attacks.parts.nearest import Ask, Nearest
from attacks.parts.settings import at_least_one
from bench import Attack, Batch, Perturbed, ThreatModel, UsageError, Victim

if TYPE_CHECKING:
    from torch import Generator, Tensor


def ddn(ask: Ask, images: Tensor, steps: int, gamma: float, initial: float, rng: Generator) -> None:
    """The loop of Rony et al. (2019, 1811.09600): asks about `steps` perturbations `delta` of images (N, C, H, W), of
    lengths `epsilon` (N,)."""
    import torch

    delta, most = torch.zeros_like(images), farthest(images, "l2")
    epsilon = torch.full_like(most, initial)
    for k in range(steps):
        misled, _, gradient, _ = ask(delta)
        chance = torch.empty_like(gradient).normal_(generator=rng)
        gradient = torch.where(wide(lengths(gradient, "l2") < 1e-12), chance, gradient)
        delta = delta + cosine(k, steps, 1.0, 0.01) * gradient / scale(gradient, "l2")
        epsilon = torch.where(misled, epsilon * (1 - gamma), epsilon * (1 + gamma)).minimum(most)
        delta = within(images, delta * (wide(epsilon) / scale(delta, "l2")))


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
        nearest = Nearest.start(victim, batch, threat)
        ddn(nearest.asking(victim, cross_entropy, self.steps), batch.images, self.steps, self.gamma, self.initial, rng)
        return nearest.proposal()
