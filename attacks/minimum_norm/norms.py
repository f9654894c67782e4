"""Lengths of perturbations in a norm, and the balls that they are brought back into."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attacks.parts.ascent import wide

if TYPE_CHECKING:
    from torch import Tensor


def farthest(images: Tensor, norm: str) -> Tensor:
    """How far (N,) an image can be moved within [0, 1] in a norm."""
    import torch

    return lengths(torch.maximum(images, 1 - images), norm)


def lengths(delta: Tensor, norm: str) -> Tensor:
    """Norms (N,) of perturbations (N, C, H, W); of l0 the number of changed positions."""
    if norm == "l0":
        return (delta.abs().amax(1).flatten(1) > 0).sum(1).to(delta)
    sizes = delta.flatten(1).abs()
    found: Tensor = sizes.amax(1) if norm == "linf" else sizes.sum(1) if norm == "l1" else sizes.norm(dim=1)
    return found


def within(images: Tensor, delta: Tensor) -> Tensor:
    """What is left of perturbations when the perturbed images are brought back into [0, 1]."""
    return (images + delta).clamp(0, 1) - images


def scale(delta: Tensor, norm: str) -> Tensor:
    """Norms (N, 1, 1, 1) of perturbations that these may be divided by: none is 0."""
    return wide(lengths(delta, norm).clamp_min(1e-12))


def shortened(delta: Tensor, norm: str, sizes: Tensor) -> Tensor:
    """Perturbations projected onto balls of these sizes (N,); in l0 the positions of the largest entries stay."""
    import torch

    if norm == "linf":
        limit = wide(sizes)
        return torch.maximum(torch.minimum(delta, limit), -limit)
    if norm == "l2":
        return delta * (wide(sizes) / scale(delta, "l2")).clamp_max(1)
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
