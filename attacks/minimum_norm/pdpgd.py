"""PDPGD: distance against misclassification, weighed by dual variables, the distance by its proximal operator."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from attacks.minimum_norm.norms import lengths, scale, shortened, within
from attacks.parts.ascent import wide
from attacks.parts.descent import BETAS, moments
from attacks.parts.losses import margin
from attacks.parts.making import in_norms
from attacks.parts.nearest import Ask, Nearest
from attacks.parts.settings import at_least_one
from bench import Attack, Batch, Perturbed, ThreatModel, UsageError, Victim

if TYPE_CHECKING:
    from torch import Generator, Tensor

DUAL_RATE, DUAL_RATE_LAST = 0.1, 0.01
AVERAGE = 0.9
"""How much of the dual variables' running mean stays."""
LEAST_RATIO = 1e-6
PROXIMAL_STEPS = 5
SHORT = 1e-2
"""The length of a proximal step, as a share of the perturbation's, at which it is the last."""


def pdpgd(ask: Ask, images: Tensor, norm: str, steps: int, alpha: float, ratio: float) -> None:
    """The loop of Matyasko and Chau (2021, 2106.01538): asks about `steps` perturbations `delta` of images
    (N, C, H, W), whose distance the dual variables (N,) weigh against misclassification."""
    import torch

    delta, mean, square = (torch.zeros_like(images) for _ in range(3))
    dual, widest = images.new_full((len(images),), -math.log(ratio)), -math.log(LEAST_RATIO)
    weight = dual.sigmoid()  # of misclassification; that of the distance is what is left to 1
    for k in range(steps):
        _, leads, gradient, _ = ask(delta)
        gradient = -gradient * wide((-leads).sigmoid())  # of softplus of the true class's lead
        mean, square, metric = moments(mean, square, gradient, k + 1)
        alpha_k = alpha * 0.01 ** (k / steps)
        target = within(images, delta - alpha_k / (1 - BETAS[0] ** (k + 1)) * mean / metric)
        largest = lengths(metric, "linf")
        delta = _shorter(images, target, norm, (1 - weight) / weight * alpha_k / largest, metric / wide(largest))
        dual_rate = DUAL_RATE_LAST + (DUAL_RATE - DUAL_RATE_LAST) * ((steps - 1 - k) / max(1, steps - 1))
        dual = (dual - dual_rate * leads.sign()).clamp(-widest, widest)
        weight = AVERAGE * weight + (1 - AVERAGE) * dual.sigmoid()


def _shorter(images: Tensor, target: Tensor, norm: str, amount: Tensor, metric: Tensor) -> Tensor:
    """Proximal steps (Melchior et al. 2019, 1910.10094) from an Adam step's end towards 0, until one is short."""
    import torch

    delta, going = target, torch.ones_like(amount, dtype=torch.bool)
    for _ in range(PROXIMAL_STEPS):
        step = within(images, _proximal(delta + metric * (target - delta), norm, amount))
        before, delta = delta, torch.where(wide(going), step, delta)
        going = lengths(delta - before, "l2") > SHORT * lengths(delta, "l2")
    return delta


def _proximal(delta: Tensor, norm: str, amount: Tensor) -> Tensor:
    """The proximal operator of `amount` (N,) times the norm."""
    if norm == "l1":
        return (delta.abs() - wide(amount)).clamp_min(0).copysign(delta)
    if norm == "l2":
        return delta * (1 - wide(amount) / scale(delta, "l2")).clamp_min(0)
    return delta - shortened(delta, "l1", amount)  # Moreau: linf's dual ball is l1's


@dataclass(frozen=True)
class Pdpgd(Attack):
    """The nearest misclassified image by primal-dual proximal gradient descent (Matyasko and Chau 2021, 2106.01538) in
    the norm of a subclass.

    Adam lowers softplus of the true class's lead, which pulls beyond the boundary too, by steps from `step_size` down
    to a hundredth; then the norm's proximal operator shortens the perturbation by as much as the dual variables say, in
    at most five steps in Adam's metric. They start at a ratio of `ratio` and rise or fall by 0.1, falling to 0.01, as
    the image is right or wrong, and are used as their running mean. Without targets adversarial-library's, to a
    rounding.
    """

    revision: ClassVar[str] = "2"
    steps: int = 500
    step_size: float = 0.1
    ratio: float = 0.01

    def __post_init__(self) -> None:
        at_least_one(self, "steps")
        if self.step_size <= 0 or not LEAST_RATIO <= self.ratio <= 1:
            raise UsageError(
                f"step_size must be above 0 and ratio lie in [{LEAST_RATIO:g}, 1]; got {self.step_size}, {self.ratio}."
            )

    def perturb(self, victim: Victim, batch: Batch, threat: ThreatModel, rng: Generator) -> Perturbed:
        """The nearest images, and those of them that lie within `threat`; draws nothing from `rng`."""
        nearest = Nearest.start(victim, batch, threat)
        ask = nearest.asking(victim, margin, self.steps)
        pdpgd(ask, batch.images, self.norm, self.steps, self.step_size, self.ratio)
        return nearest.proposal()


PdpgdLinf, PdpgdL2, PdpgdL1 = in_norms(
    Pdpgd,
    ("linf", "l2", "l1"),
    "The nearest misclassified image in {norm} by primal-dual proximal descent (Matyasko and Chau 2021, 2106.01538).",
)
