"""The nearest misclassified images that a search has seen, and what it proposes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

from attacks.parts.ascent import first_seen, slope, wide
from attacks.parts.losses import Loss, margin
from bench import Batch, Perturbed, ThreatModel, Victim

if TYPE_CHECKING:
    from torch import Tensor

CLEAR = 2.0**-16
"""A lead of this share of the largest logit: an image on the very boundary is another's verdict after a rounding."""
Ask = Callable[["Tensor"], "tuple[Tensor, Tensor, Tensor, Tensor]"]
"""From perturbations (N, C, H, W) to which mislead (N,) bool, a loss (N,), its gradient (N, C, H, W), and the distances
(N,) of the nearest images so far that clearly misled, infinite where there is none."""


@dataclass
class Nearest:
    """The nearest misclassified image (N, C, H, W) of each sample of a batch, the clean one where none is known, its
    distance (N,; infinite there), and in which step each sample was first seen misled within the budget."""

    batch: Batch
    threat: ThreatModel
    images: Tensor
    distances: Tensor
    broken_at: Tensor

    @classmethod
    def start(cls, victim: Victim, batch: Batch, threat: ThreatModel) -> Nearest:
        """What one look at the clean images tells."""
        import torch

        with torch.no_grad():
            wrong = victim(batch.images).argmax(1) != batch.labels
        distances = torch.where(wrong, 0.0, torch.inf).to(batch.images)
        return cls(batch, threat, batch.images.clone(), distances, torch.where(wrong, 0, -1))

    def keep(self, images: Tensor, found: Tensor, step: int, rows: Tensor | slice = slice(None)) -> None:
        """Keep those of these rows' images that are nearer than any before; a distance is infinite where one does not
        mislead."""
        import torch

        known = self.distances[rows]
        self.images[rows] = torch.where(wide(found < known), images, self.images[rows])
        self.distances[rows] = torch.minimum(found, known)
        self.broken_at[rows] = first_seen(self.broken_at[rows], found <= self.threat.radius, step)

    def asking(self, victim: Victim, loss: Loss, steps: int) -> Ask:
        """A question to be put `steps` times, about all samples; it keeps the perturbed images that are clearly
        misclassified, by their distances as the harness measures them."""
        import torch

        clean, labels, numbers = self.batch.images, self.batch.labels, count(1)

        def ask(delta: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
            step = next(numbers)
            logits, losses, gradient = slope(victim, clean + delta, labels, loss)
            images = (clean + delta).clamp(0, 1)  # which clean + delta leaves by a rounding
            clear = margin(logits, labels) > CLEAR * logits.abs().amax(1)
            distances = self.threat.distance(clean, images).to(self.distances)
            self.keep(images, torch.where(clear, distances, torch.inf), step)
            victim.watch(step, steps, "gradient steps")
            return logits.argmax(1) != labels, losses, gradient, self.distances

        return ask

    def proposal(self) -> Perturbed:
        """The nearest images, and those of them within the budget."""
        import torch

        within = self.threat.admits(self.batch.images, self.images)
        proposed = torch.where(wide(within), self.images, self.batch.images)
        return Perturbed(proposed, closest=self.images, broken_at=self.broken_at)
