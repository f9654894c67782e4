"""sigma-zero: a smooth stand-in for the number of changed positions, and a threshold that keeps few."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from attacks.minimum_norm.norms import scale, within
from attacks.parts.ascent import wide
from attacks.parts.descent import BETAS, cosine, moments
from attacks.parts.losses import margin
from attacks.parts.nearest import Ask, Nearest
from attacks.parts.settings import above_zero, at_least_one
from bench import Attack, Batch, Perturbed, ThreatModel, Victim

if TYPE_CHECKING:
    from torch import Generator, Tensor


def sigma_zero(ask: Ask, images: Tensor, steps: int, eta: float, sigma: float, tau: float, t: float) -> None:
    """The loop of Cina et al. (2024, 2402.01879): asks about `steps` perturbations `delta` of images (N, C, H, W), the
    threshold (N,) of whose entries starts at `tau` and moves by `t` times the step `eta`."""
    import torch

    delta, mean, square = (torch.zeros_like(images) for _ in range(3))
    limit, eta_k = images.new_full((len(images),), tau), eta
    for k in range(steps):
        misled, _, gradient, _ = ask(delta)
        with torch.enable_grad():
            leaf = delta.detach().requires_grad_()
            squares = leaf.square().sum(1)
            sparsity = (squares / (squares + sigma)).flatten(1).mean(1).sum()
            gradient = gradient + torch.autograd.grad(sparsity, leaf)[0]
        mean, square, metric = moments(mean, square, gradient / scale(gradient, "linf"), k + 1)
        delta = within(images, delta - eta_k / (1 - BETAS[0] ** (k + 1)) * mean / metric)
        eta_k = eta * cosine(k, steps, 1.0, 0.1)
        limit = (limit + torch.where(misled, t, -t) * eta_k).clamp(0, 1)
        delta = torch.where(delta.abs().amax(1, keepdim=True) >= wide(limit), delta, 0.0)


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
        nearest = Nearest.start(victim, batch, threat)
        ask = nearest.asking(victim, lambda logits, labels: (-margin(logits, labels)).clamp_min(0), self.steps)
        sigma_zero(ask, batch.images, self.steps, self.step_size, self.sigma, self.threshold, self.adjustment)
        return nearest.proposal()
