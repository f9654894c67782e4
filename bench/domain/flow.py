"""A flow field bends an image: every pixel is read a little beside its own place."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def warp(images: Tensor, flow: Tensor) -> Tensor:
    """Images (N, C, H, W) read bilinearly at places that `flow` (N, 2, H, W) moves; differentiable in both.

    Xiao et al. 2018, 1801.02612, eq. 1. The flow's unit is half the image's extent, as in torch's `grid_sample`: the
    centres of the outer pixels lie at -1 and 1, so that 0.05 moves by 0.05 x (W - 1) / 2 pixels. Channel 0 moves along
    the width, channel 1 along the height; places outside read the nearest border pixel. The result lies in [0, 1].
    """
    import torch
    from torch.nn.functional import grid_sample

    height, width = images.shape[2:]
    rows = torch.linspace(-1, 1, height, device=images.device, dtype=images.dtype)
    columns = torch.linspace(-1, 1, width, device=images.device, dtype=images.dtype)
    y, x = torch.meshgrid(rows, columns, indexing="ij")
    places = torch.stack([x, y], -1) + flow.permute(0, 2, 3, 1)
    return grid_sample(images, places, mode="bilinear", padding_mode="border", align_corners=True).clamp(0, 1)
