"""Resizing as Pillow does it, as two constant matrix products: differentiable, and equal to the bit every time."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Literal

import torch
from torch import Tensor

Kernel = Literal["bilinear", "bicubic"]
SHARPNESS = -0.5
"""Pillow's a of the cubic kernel (Keys 1981); torch takes -0.75."""


def resize(images: Tensor, size: tuple[int, int], kernel: Kernel, cut: bool = False) -> Tensor:
    """Images (N, C, H, W) in another height and width, in their own type, with the exact gradient.

    Values are those of Pillow's `resize` of floating-point images, to the last bits: antialiased where it shrinks, its
    weights at the border normalised. With `cut` what leaves [0, 1] is cut off after the columns and after the rows, as
    Pillow does it with 8-bit images; their rounding alone is left out. The products are there because the backward
    passes of torch's own resizing add in any order on CUDA.
    """
    rows, columns = (
        weights(before, after, kernel).to(images) for before, after in zip(images.shape[2:], size, strict=True)
    )
    wide = images @ columns.T
    return (rows @ wide.clamp(0, 1)).clamp(0, 1) if cut else rows @ wide


@cache
def weights(before: int, after: int, kernel: Kernel) -> Tensor:
    """The share (after, before) float64 that each of a line's pixels has in each of its new ones; rows sum to 1.

    The kernel is stretched by the factor by which the line shrinks, and cut where Pillow cuts it (libImaging's
    precompute_coeffs).
    """
    value, reach = KERNELS[kernel]
    scale = before / after
    stretch = max(scale, 1.0)
    centres = (torch.arange(after, dtype=torch.float64)[:, None] + 0.5) * scale
    pixels = torch.arange(before, dtype=torch.float64)
    within = (pixels >= (centres - reach * stretch + 0.5).floor()) & (
        pixels < (centres + reach * stretch + 0.5).floor()
    )
    found = torch.where(within, value((pixels - centres + 0.5) / stretch), 0.0)
    return found / found.sum(1, keepdim=True)


def _triangle(places: Tensor) -> Tensor:
    return (1 - places.abs()).clamp_min(0)


def _cubic(places: Tensor) -> Tensor:
    x, a = places.abs(), SHARPNESS
    near = ((a + 2) * x - (a + 3)) * x.square() + 1
    far = (((x - 5) * x + 8) * x - 4) * a
    return torch.where(x < 1, near, torch.where(x < 2, far, 0.0))


KERNELS: dict[Kernel, tuple[Callable[[Tensor], Tensor], float]] = {
    "bilinear": (_triangle, 1.0),
    "bicubic": (_cubic, 2.0),
}
"""Each kernel and how far it reaches."""
