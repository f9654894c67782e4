"""The attack of TMDC's released evaluation with its clamping fault, to measure what the fault is worth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from attacks.gradient import PgdLinf
from attacks.parts.ascent import ascend, random_start
from attacks.parts.settings import at_least_one, exact_step
from bench import Attack, Batch, Perturbed, ThreatModel, Victim

if TYPE_CHECKING:
    from torch import Generator, Tensor


@dataclass(frozen=True)
class AsPublishedTmdc(Attack):
    """PGD as TMDC's released evaluation runs it, whose images leave the budget: refused, with the size of its fault.

    The released code normalises images to [-1, 1] and hands them to torchattacks, which clamps to [0, 1]: whatever is
    darker than middle grey becomes middle grey, at any epsilon. Epsilon and `step_size` (2/255 in the code) are meant
    for normalised values there, so half as much in pixels. The same attack within the budget (`pgd-linf` at epsilon,
    with these steps) runs beside it, and a remark says how many samples each misleads.
    """

    norm: ClassVar[str] = "linf"
    steps: int = 40
    step_size: str = "2/255"

    def __post_init__(self) -> None:
        at_least_one(self, "steps")
        exact_step(self.step_size)

    def perturb(self, victim: Victim, batch: Batch, threat: ThreatModel, rng: Generator) -> Perturbed:
        """The images that the released code would judge, in [0.5, 1] and so mostly far beyond `threat`."""
        size, epsilon = float(exact_step(self.step_size)), threat.radius
        codes = 2 * batch.images - 1
        moved = (codes + random_start("linf", codes, epsilon, rng)).clamp(0, 1)
        for step in range(self.steps):
            gradient, _ = ascend(victim, (moved + 1) / 2, batch.labels, 1)
            delta = (moved + size * gradient.sign() - codes).clamp(-epsilon, epsilon)
            moved = (codes + delta).clamp(0, 1)  # the fault: codes lie in [-1, 1]
            victim.watch(step + 1, 2 * self.steps, "gradient steps, as published")
        published = (moved + 1) / 2
        lawful = PgdLinf(steps=self.steps, step_size=self.step_size).perturb(victim, batch, threat, rng).images
        return Perturbed(published, remarks=(self._measured(victim, batch, threat, published, lawful),))

    def _measured(self, victim: Victim, batch: Batch, threat: ThreatModel, published: Tensor, lawful: Tensor) -> str:
        """How far the fault reaches, and what the same attack does with and without it."""
        import torch

        with torch.no_grad():
            found = [int((victim(images).argmax(1) != batch.labels).sum()) for images in (published, lawful)]
        distance = threat.distance(batch.images, published)
        outside = int((~threat.admits(batch.images, published)).sum())
        grey = float((batch.images < 0.5).float().mean())
        return (
            f"As published, {outside} of {len(distance)} images are outside the budget, by up to "
            f"{float(distance.max()) / threat.radius:.1f} times epsilon: {grey:.0%} of all values were lifted to "
            f"middle grey. It misleads {found[0]} samples; the same attack within the budget misleads {found[1]}."
        ).replace("%", " %")
