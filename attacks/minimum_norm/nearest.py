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
    """Images (N, C, H, W), the clean ones where none is known, their distances (N,; infinite there), and in which step
    each sample was first seen misled within the budget."""

    clean: Tensor
    labels: Tensor
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
        broken_at = torch.where(wrong, 0, -1)
        return cls(batch.images, batch.labels, threat, batch.images.clone(), distances, broken_at)

    def saw(self, images: Tensor, logits: Tensor, step: int) -> Tensor:
        """Keep the images that are clearly misclassified and nearer than any before; which are misclassified (N,)."""
        import torch

        images = images.clamp(0, 1)  # which clean + delta leaves by a rounding
        misled: Tensor = logits.argmax(1) != self.labels
        clear = margin(logits, self.labels) > CLEAR * logits.abs().amax(1)
        found = torch.where(clear, self.distance(images).to(self.distances), torch.inf)
        nearer = found < self.distances
        self.images = torch.where(_wide(nearer), images, self.images)
        self.distances = torch.minimum(found, self.distances)
        self.broken_at = first_seen(self.broken_at, found <= self.threat.radius, step)
        return misled

    def distance(self, images: Tensor) -> Tensor:
        """Distances (N,) from the clean images, as the harness measures them."""
        return self.threat.distance(self.clean, images)

    def proposal(self) -> Perturbed:
        """The nearest images, and those of them within the budget."""
        import torch

        within = self.threat.admits(self.clean, self.images)
        proposed = torch.where(_wide(within), self.images, self.clean)
        return Perturbed(proposed, closest=self.images, broken_at=self.broken_at)


def attacked(victim: Victim, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Logits (N, K), how far the highest wrong one leads (N,), and that lead's gradient (N, C, H, W)."""
    import torch

    asked = images.detach().clone().requires_grad_()
    with torch.enable_grad():
        logits = victim(asked)
        leads = margin(logits, labels)
    return logits.detach(), leads.detach(), torch.autograd.grad(leads.sum(), asked)[0]


def farthest(images: Tensor, norm: str) -> Tensor:
    """How far (N,) an image can be moved within [0, 1] in a norm."""
    import torch

    room = torch.maximum(images, 1 - images).flatten(1)
    if norm == "l0":
        return torch.full_like(room[:, 0], float(images[0, 0].numel()))
    return _norms(room, norm)


def lengths(delta: Tensor, norm: str) -> Tensor:
    """Norms (N,) of perturbations (N, C, H, W); of l0 the number of changed positions."""
    if norm == "l0":
        return (delta.abs().amax(1).flatten(1) > 0).sum(1).to(delta)
    return _norms(delta.flatten(1).abs(), norm)


def shortened(delta: Tensor, norm: str, sizes: Tensor) -> Tensor:
    """Perturbations projected onto balls of these sizes (N,); in l0 the positions of the largest entries stay."""
    import torch

    if norm == "linf":
        limit = _wide(sizes)
        return torch.maximum(torch.minimum(delta, limit), -limit)
    if norm == "l2":
        return delta * _wide(sizes / lengths(delta, "l2").clamp_min(1e-12)).clamp_max(1)
    if norm == "l1":
        return _onto_l1(delta, sizes)
    heights = delta.abs().amax(1).flatten(1)
    ordered = heights.sort(dim=1, descending=True).values
    place = (sizes.long() - 1).clamp(0, heights.shape[1] - 1)
    kept = (heights >= ordered.gather(1, place[:, None])) & (sizes[:, None] >= 1)
    return delta * kept.view(len(delta), 1, *delta.shape[2:])


def _onto_l1(delta: Tensor, sizes: Tensor) -> Tensor:
    """The nearest points of l1 balls (Duchi et al. 2008)."""
    import torch

    flat = delta.flatten(1).abs()
    ordered = flat.sort(dim=1, descending=True).values
    count = torch.arange(1, flat.shape[1] + 1, device=delta.device, dtype=delta.dtype)
    excess = ordered.cumsum(1) - sizes[:, None]
    active = (ordered * count > excess).sum(1, keepdim=True).clamp_min(1)
    threshold = excess.gather(1, active - 1) / active
    inside = flat.sum(1, keepdim=True) <= sizes[:, None]
    small = torch.where(inside, flat, (flat - threshold).clamp_min(0))
    return small.view_as(delta).copysign(delta)


def _norms(sizes: Tensor, norm: str) -> Tensor:
    """Norms (N,) of absolute values (N, D)."""
    found: Tensor = sizes.amax(1) if norm == "linf" else sizes.sum(1) if norm == "l1" else sizes.norm(dim=1)
    return found


def _wide(values: Tensor) -> Tensor:
    """One value a sample, for arithmetic with images."""
    return values.view(-1, 1, 1, 1)
