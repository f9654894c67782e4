"""Attacks that climb the cross-entropy along its gradient: FGSM and PGD."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from attacks.parts.ascent import ascend, first_seen, heights, never, random_start, steepest
from attacks.parts.making import in_norm
from attacks.parts.settings import at_least_one, exact_step
from bench import Attack, Batch, Perturbed, ThreatModel, UsageError, Victim

if TYPE_CHECKING:
    from torch import Generator, Tensor


@dataclass(frozen=True)
class FgsmLinf(Attack):
    """One step of epsilon along the gradient's sign (Goodfellow et al. 2014, 1412.6572).

    `draws` gradients, each under fresh noise, are averaged where the defense is random (expectation over
    transformation; Athalye et al. 2018, 1707.07397); 1 keeps the noise of the prediction.
    """

    norm: ClassVar[str] = "linf"
    draws: int = 1

    def __post_init__(self) -> None:
        at_least_one(self, "draws")

    def perturb(self, victim: Victim, batch: Batch, threat: ThreatModel, rng: Generator) -> Perturbed:
        """The images one step away, cut to [0, 1]; draws nothing from `rng`."""
        gradient, misled = ascend(victim, batch.images, batch.labels, self.draws)
        images = (batch.images + threat.radius * gradient.sign()).clamp(0, 1)
        return Perturbed(images, broken_at=first_seen(never(batch.labels), misled, 0))


@dataclass(frozen=True)
class Pgd(Attack):
    """Projected gradient ascent (Madry et al. 2018, 1706.06083) in the norm of a subclass.

    `step_size` is exact and in pixel units, as text ("2/255"); None is 2.5 x epsilon / steps. Without restarts the last
    iterate is proposed, whatever it does. With them the victim is asked once more after each, and a sample keeps its
    first misclassified image or, where there is none, the last iterate of highest loss. `draws` is that of `FgsmLinf`.
    The loss is summed over the samples, not averaged, so that no sample's gradient depends on the size of the batch.
    An iteration sees the image that it starts from, so one that only the last step misleads counts as never seen.
    """

    steps: int = 40
    step_size: str | None = None
    random_start: bool = True
    restarts: int = 1
    draws: int = 1

    def __post_init__(self) -> None:
        at_least_one(self, "steps", "restarts", "draws")
        if self.restarts > 1 and not self.random_start:
            raise UsageError("Without a random start every restart is the same; set restarts=1 or random_start=true.")
        if self.step_size is not None:
            exact_step(self.step_size)

    def perturb(self, victim: Victim, batch: Batch, threat: ThreatModel, rng: Generator) -> Perturbed:
        """Images within `threat`; equal generators give equal images."""
        import torch

        best, highest = batch.images, torch.full(batch.labels.shape, -torch.inf, device=batch.images.device)
        broken_at = never(batch.labels)
        for restart in range(self.restarts):
            perturbed, broken_at = self._climb(victim, batch, threat, rng, restart, broken_at)
            if self.restarts == 1:
                return Perturbed(perturbed, broken_at=broken_at)
            height = heights(victim, perturbed, batch.labels)
            broken_at = first_seen(broken_at, height == torch.inf, (restart + 1) * self.steps)
            best = torch.where((height > highest).view(-1, 1, 1, 1), perturbed, best)
            highest = torch.maximum(height, highest)
        return Perturbed(best, broken_at=broken_at)

    def _climb(
        self, victim: Victim, batch: Batch, threat: ThreatModel, rng: Generator, restart: int, broken_at: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The last iterate of one run, and in which iteration each sample was first seen misclassified."""
        size = 2.5 * threat.radius / self.steps if self.step_size is None else float(exact_step(self.step_size))
        perturbed = batch.images
        if self.random_start:
            perturbed = (perturbed + random_start(self.norm, batch.images, threat.radius, rng)).clamp(0, 1)
        for step in range(self.steps):
            gradient, misled = ascend(victim, perturbed, batch.labels, self.draws)
            clean = step == 0 and not self.random_start
            broken_at = first_seen(broken_at, misled, 0 if clean else restart * self.steps + step + 1)
            perturbed = threat.project(batch.images, perturbed + size * steepest(self.norm, gradient))
            victim.watch(restart * self.steps + step + 1, self.restarts * self.steps, "gradient steps")
        return perturbed, broken_at


_SOURCE = "(Madry et al. 2018, 1706.06083)"
PgdLinf = in_norm(
    Pgd, "linf", f"PGD in linf from a uniform start {_SOURCE}; 40 steps of 2/255, as TMDC has it.", step_size="2/255"
)
PgdL2 = in_norm(Pgd, "l2", f"PGD in l2 {_SOURCE} from a start of uniform direction and length, near the centre.")
