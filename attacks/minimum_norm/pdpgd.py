"""PDPGD: distance against misclassification, weighed by dual variables, the distance by its proximal operator."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from attacks.minimum_norm.norms import lengths, shortened
from attacks.parts.ascent import slope
from attacks.parts.descent import BETAS, STABILITY
from attacks.parts.losses import margin
from attacks.parts.making import in_norms
from attacks.parts.nearest import Nearest
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
        import torch

        nearest, clean = Nearest.start(victim, batch, threat), batch.images
        delta = torch.zeros_like(clean)
        mean, square = torch.zeros_like(clean), torch.zeros_like(clean)
        dual = torch.full_like(nearest.distances, -math.log(self.ratio))
        weight = dual.sigmoid()  # of misclassification; that of the distance is what is left to 1
        for step in range(self.steps):
            logits, leads, uphill = slope(victim, clean + delta, batch.labels, margin)
            nearest.saw(clean + delta, logits, step + 1)
            right = -leads  # the true class's lead
            gradient = -uphill * right.sigmoid().view(-1, 1, 1, 1)  # d softplus(right) / d delta
            mean = BETAS[0] * mean + (1 - BETAS[0]) * gradient
            square = BETAS[1] * square + (1 - BETAS[1]) * gradient.square()
            metric = (square / (1 - BETAS[1] ** (step + 1))).sqrt() + STABILITY
            rate = self.step_size * 0.01 ** (step / self.steps)
            target = self._within(clean, delta - rate / (1 - BETAS[0] ** (step + 1)) * mean / metric)
            largest = metric.flatten(1).amax(1)
            amount = (1 - weight) / weight * rate / largest
            delta = self._shorter(clean, target, metric / largest.view(-1, 1, 1, 1), amount)
            left = (self.steps - 1 - step) / max(1, self.steps - 1)
            dual_rate = DUAL_RATE_LAST + (DUAL_RATE - DUAL_RATE_LAST) * left
            dual = (dual + dual_rate * right.sign()).clamp(math.log(LEAST_RATIO), -math.log(LEAST_RATIO))
            weight = AVERAGE * weight + (1 - AVERAGE) * dual.sigmoid()
            victim.watch(step + 1, self.steps, "gradient steps")
        return nearest.proposal()

    def _shorter(self, clean: Tensor, target: Tensor, metric: Tensor, amount: Tensor) -> Tensor:
        """Proximal steps (Melchior et al. 2019, 1910.10094) from an Adam step's end towards 0, until one is short."""
        import torch

        delta, going = target, torch.ones_like(amount, dtype=torch.bool)
        for _ in range(PROXIMAL_STEPS):
            step = self._within(clean, self._proximal(delta + metric * (target - delta), amount))
            step = torch.where(going.view(-1, 1, 1, 1), step, delta)
            going = lengths(step - delta, "l2") > SHORT * lengths(step, "l2")
            delta = step
        return delta

    def _proximal(self, delta: Tensor, amount: Tensor) -> Tensor:
        """The proximal operator of `amount` (N,) times the norm."""
        wide = amount.view(-1, 1, 1, 1)
        if self.norm == "l1":
            return (delta.abs() - wide).clamp_min(0).copysign(delta)
        if self.norm == "l2":
            return delta * (1 - wide / lengths(delta, "l2").clamp_min(1e-12).view(-1, 1, 1, 1)).clamp_min(0)
        return delta - shortened(delta, "l1", amount)  # Moreau: linf's dual ball is l1's

    @staticmethod
    def _within(clean: Tensor, delta: Tensor) -> Tensor:
        return (clean + delta).clamp(0, 1) - clean


PdpgdLinf, PdpgdL2, PdpgdL1 = in_norms(
    Pdpgd,
    ("linf", "l2", "l1"),
    "The nearest misclassified image in {norm} by primal-dual proximal descent (Matyasko and Chau 2021, 2106.01538).",
)
