"""The nearest misclassified images that a search has seen, and what it proposes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from attacks.parts.ascent import first_seen
from attacks.parts.losses import margin
from bench import Batch, Perturbed, ThreatModel, Victim

if TYPE_CHECKING:
    from torch import Tensor

CLEAR = 2.0**-16
"""A lead of this share of the largest logit: an image on the very boundary is another's verdict after a rounding."""


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
        self.images[rows] = torch.where(_wide(found < known), images, self.images[rows])
        self.distances[rows] = torch.minimum(found, known)
        self.broken_at[rows] = first_seen(self.broken_at[rows], found <= self.threat.radius, step)

    def saw(self, images: Tensor, logits: Tensor, step: int) -> Tensor:
        """Keep images of all samples that are clearly misclassified, by their distances as the harness measures them;
        which are misclassified (N,)."""
        import torch

        images = images.clamp(0, 1)  # which clean + delta leaves by a rounding
        clear = margin(logits, self.batch.labels) > CLEAR * logits.abs().amax(1)
        distances = self.threat.distance(self.batch.images, images).to(self.distances)
        self.keep(images, torch.where(clear, distances, torch.inf), step)
        misled: Tensor = logits.argmax(1) != self.batch.labels
        return misled

    def proposal(self) -> Perturbed:
        """The nearest images, and those of them within the budget."""
        import torch

        within = self.threat.admits(self.batch.images, self.images)
        proposed = torch.where(_wide(within), self.images, self.batch.images)
        return Perturbed(proposed, closest=self.images, broken_at=self.broken_at)


def _wide(values: Tensor) -> Tensor:
    """One value a sample, for arithmetic with images."""
    return values.view(-1, 1, 1, 1)
