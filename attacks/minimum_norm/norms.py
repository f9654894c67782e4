"""Lengths of perturbations in a norm, and the balls that they are brought back into."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


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
