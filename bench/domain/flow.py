"""A flow field bends an image: every pixel is read a little beside its own place."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def warp(images: Tensor, flow: Tensor) -> Tensor:
    """Images (N, C, H, W) read bilinearly at places that `flow` (N, 2, H, W) moves; differentiable in both.

    Xiao et al. 2018, 1801.02612, eq. 1, in the unit of its customary bound of 0.05 (Nie et al. 2022, 2205.07460, after
    mister_ed): half the image's extent, as in torch's `grid_sample`, so that 0.05 moves by 0.05 x W / 2 pixels. Channel
    0 moves along the width, channel 1 along the height. Places outside read the nearest border pixel, as the authors'
    own code does (mister_ed reads black there). The result lies in [0, 1].
    """
    import torch
    from torch.nn.functional import grid_sample

    rows, columns = (pixel_centres(count).to(images) for count in images.shape[2:])
    y, x = torch.meshgrid(rows, columns, indexing="ij")
    places = torch.stack([x, y], -1) + flow.permute(0, 2, 3, 1)
    return grid_sample(images, places, mode="bilinear", padding_mode="border", align_corners=False).clamp(0, 1)


def pixel_centres(count: int) -> Tensor:
    """Where the centres of `count` pixels in a row lie, if the image's edges are at -1 and 1."""
    import torch

    return (2 * torch.arange(count, dtype=torch.float64) + 1) / count - 1
