"""Carlini and Wagner's search for the nearest misclassified image in l2."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, ClassVar

from attacks.parts.descent import Adam
from attacks.parts.losses import margin
from attacks.parts.nearest import Nearest
from attacks.parts.settings import above_zero, at_least_one, zero_or_more
from bench import Attack, Batch, Perturbed, ThreatModel, Victim

if TYPE_CHECKING:
    from torch import Generator, Tensor

WIDTH = 0.999999
"""Share of (-1, 1) that pixels fill before they go into tanh space, where black and white would lie at infinity."""
LARGEST_CONSTANT = 1e10
CHECKS = 10
"""How often a descent looks which samples still make progress."""
PROGRESS = 0.9999
"""The loss at a check, as a share of that at the one before, above which a sample is settled."""


@dataclass(frozen=True)
class CarliniWagnerL2(Attack):
    """The nearest misclassified image in l2, by descent in tanh space (Carlini and Wagner 2017, 1608.04644).

    Adam minimises |x' - x|^2 + constant * max(lead of the true class + confidence, 0) over w, x' = (tanh(w) + 1) / 2,
    `steps` times for each of `search_steps` constants: ten times the last one until one succeeds, then halfway between
    the smallest that succeeded and the largest that did not. The lead is of logits. The settings are those of the
    authors' code, but for its 10,000 steps; as there, the last of 10 or more constants is the smallest that succeeded.

    Deviations: the loss of each sample, not that of the batch, aborts its descent (the authors' code at its batch size
    of 1), so that no sample depends on the others; images misclassified as they are stay as they are. Such descents end
    early where there are few steps to begin with: of 100, take `abort_early=False`.
    """

    norm: ClassVar[str] = "l2"
    search_steps: int = 9
    steps: int = 1000
    initial_constant: float = 1e-3
    learning_rate: float = 1e-2
    confidence: float = 0.0
    abort_early: bool = True

    def __post_init__(self) -> None:
        at_least_one(self, "search_steps", "steps")
        above_zero(self, "initial_constant", "learning_rate")
        zero_or_more(self, "confidence")

    def perturb(self, victim: Victim, batch: Batch, threat: ThreatModel, rng: Generator) -> Perturbed:
        """The closest images, and those of them that lie within `threat`; draws nothing from `rng`.

        `broken_at` counts the steps of all constants, and only misclassified images within `threat`.
        """
        import torch

        nearest = Nearest.start(victim, batch, threat)
        constants = torch.full_like(nearest.distances, self.initial_constant)
        lower, upper = torch.zeros_like(constants), torch.full_like(constants, torch.inf)
        for search in range(self.search_steps):
            if search == self.search_steps - 1 and self.search_steps >= 10:
                constants = upper.clamp_max(LARGEST_CONSTANT)
            succeeded = self._descend(victim, batch, constants, nearest, search)
            upper = torch.where(succeeded, constants, upper)
            lower = torch.where(succeeded, lower, constants)
            constants = torch.where(upper.isinf(), 10 * constants, (lower + upper) / 2).clamp_max(LARGEST_CONSTANT)
        within = (nearest.distances <= threat.radius).view(-1, 1, 1, 1)
        images = torch.where(within, nearest.images, batch.images)
        return Perturbed(images, closest=nearest.images, broken_at=nearest.broken_at)

    def _descend(self, victim: Victim, batch: Batch, constants: Tensor, nearest: Nearest, search: int) -> Tensor:
        """Which samples (N,) were misled with these constants; `nearest` learns how near."""
        import torch

        succeeded = torch.zeros_like(constants, dtype=torch.bool)
        points = ((2 * batch.images - 1) * WIDTH).atanh()
        origins = _images(points)
        descent = Adam.start(points).keep(_staying(victim, nearest.distances > 0))
        before, interval = torch.full_like(constants, torch.inf), ceil(self.steps / CHECKS)
        note = ""
        for step in range(self.steps):
            if step % interval == 0:
                robust = int((nearest.distances > nearest.threat.radius).sum())
                note = f"constant {search + 1} of {self.search_steps}, {robust} still robust"
            rows = descent.rows
            if not len(rows):
                break
            images, logits, losses = self._step(victim, descent, origins[rows], batch.labels[rows], constants[rows])
            misled = self._misled(logits, batch.labels[rows])
            succeeded[rows] |= misled
            distances = (images - batch.images[rows]).flatten(1).norm(dim=1)
            taken = search * self.steps + step + 1
            nearest.keep(images, torch.where(misled, distances, torch.inf), taken, rows)
            victim.watch(taken, self.search_steps * self.steps, note)
            if self.abort_early and step % interval == 0:
                descent = descent.keep(_staying(victim, losses <= PROGRESS * before[rows]))
                before[rows] = losses
        return succeeded

    def _step(
        self, victim: Victim, descent: Adam, origins: Tensor, labels: Tensor, constants: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The images, their logits and losses at the descent's points, which then take one step of Adam."""
        import torch

        with torch.enable_grad():
            points = descent.points.requires_grad_()
            images = _images(points)
            logits = victim(images)
            squares = (images - origins).flatten(1).square().sum(1)
            losses = squares + constants * (self.confidence - margin(logits, labels)).clamp_min(0)
        (gradient,) = torch.autograd.grad(losses.sum(), points)
        descent.step(gradient, self.learning_rate)
        return images.detach(), logits.detach(), losses.detach()

    def _misled(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Which rows (N,) another class wins by more than `confidence`."""
        handicap = logits.new_full((len(labels), 1), self.confidence)
        return logits.scatter_add(1, labels[:, None], handicap).argmax(1) != labels


def _staying(victim: Victim, going: Tensor) -> Tensor:
    """The samples still to attack; all while there is one where the defense is random, for its noise belongs to the
    places in a batch."""
    return going if victim.deterministic else going.any().expand_as(going)


def _images(points: Tensor) -> Tensor:
    """What points of tanh space look like; the clean images' own points have moved a little away from the infinite."""
    return (points.tanh() + 1) / 2
