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

    Values are `grid_sample`'s, whose backward pass adds in any order on CUDA; here the flow's gradient adds nothing up
    but channels, and that of the images repeats under torch's deterministic algorithms.
    """
    (left, right, across), (upper, lower, down) = (_between(flow[:, axis], axis) for axis in (0, 1))
    width = images.shape[3]

    def read(rows: Tensor, columns: Tensor) -> Tensor:
        places = (rows * width + columns).flatten(1)[:, None].expand(-1, images.shape[1], -1)
        return images.flatten(2).gather(2, places).view_as(images)

    across, down = across[:, None], down[:, None]
    above = read(upper, left) * (1 - across) + read(upper, right) * across
    below = read(lower, left) * (1 - across) + read(lower, right) * across
    return (above * (1 - down) + below * down).clamp(0, 1)


def pixel_centres(count: int) -> Tensor:
    """Where the centres of `count` pixels in a row lie, if the image's edges are at -1 and 1."""
    import torch

    return (2 * torch.arange(count, dtype=torch.float64) + 1) / count - 1


def _between(moves: Tensor, axis: int) -> tuple[Tensor, Tensor, Tensor]:
    """Between which two pixels of its row (axis 0) or column (1) each pixel (N, H, W) reads, and the second's share.

    A share is a difference from the pixel's own number and not from the image's edge, so that its rounding is that of
    the flow, whatever the size.
    """
    import torch

    count = moves.shape[2 - axis]
    own = torch.arange(count, device=moves.device).view(-1, *(1,) * axis)
    steps = (moves * (count / 2)).clamp(-own, count - 1 - own)
    whole = steps.detach().floor()
    first = (own + whole.long()).clamp(0, count - 1)
    return first, (first + 1).clamp_max(count - 1), steps - whole
