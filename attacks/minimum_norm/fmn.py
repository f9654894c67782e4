"""FMN: steps along the gradient within a ball that adapts to the distance of the boundary."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from attacks.minimum_norm.norms import farthest, lengths, scale, shortened, within
from attacks.parts.descent import cosine
from attacks.parts.losses import margin
from attacks.parts.making import in_norms
from attacks.parts.nearest import Ask, Nearest
from attacks.parts.settings import at_least_one
from bench import Attack, Batch, Perturbed, ThreatModel, UsageError, Victim

if TYPE_CHECKING:
    from torch import Generator, Tensor

BEYOND = {"linf": 1.01, "l2": 1.2, "l1": 1.2}
"""How far the ball reaches beyond the boundary's estimated distance until something misleads: on the boundary itself
nothing does, and where it curves away the estimate falls short for ever."""
DUAL = {"linf": "l1", "l2": "l2", "l1": "linf"}


def fmn(ask: Ask, images: Tensor, norm: str, steps: int, alpha: float, gamma: float, gamma_final: float) -> None:
    """The loop of Pintor et al. (2021, 2102.12827): asks about `steps` perturbations `delta` of images (N, C, H, W),
    each within a ball of size `epsilon` (N,)."""
    import torch

    delta, most = torch.zeros_like(images), farthest(images, norm)
    epsilon = torch.full_like(most, 1.0 if norm == "l0" else torch.inf)
    for k in range(steps):
        misled, leads, gradient, best = ask(delta)
        gamma_k = cosine(k, steps, gamma, gamma_final)
        smaller, larger = epsilon * (1 - gamma_k), epsilon * (1 + gamma_k)
        if norm == "l0":
            smaller, larger = smaller.floor().minimum(epsilon - 1), larger.floor().maximum(epsilon + 1)
        else:
            boundary = lengths(delta, norm) + leads.abs() / lengths(gradient, DUAL[norm]).clamp_min(1e-12)
            larger = torch.where(best.isfinite(), larger, BEYOND[norm] * boundary)
        epsilon = torch.where(misled, smaller.minimum(best), larger).clamp_min(0).minimum(most)
        delta = delta + alpha * cosine(k, steps, 1.0, 0.01) * gradient / scale(gradient, "l2")
        delta = within(images, shortened(delta, norm, epsilon))


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
        nearest = Nearest.start(victim, batch, threat)
        ask = nearest.asking(victim, margin, self.steps)
        fmn(ask, batch.images, self.norm, self.steps, self.step_size, self.gamma, self.gamma_final)
        return nearest.proposal()


FmnLinf, FmnL2, FmnL1, FmnL0 = in_norms(
    Fmn,
    ("linf", "l2", "l1", "l0"),
    "The nearest misclassified image in {norm} by the fast minimum-norm attack (Pintor et al. 2021, 2102.12827).",
)
