"""Random changes of training images that keep their class."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor
from torch.nn import functional

from defenses.parts.training.recipes import Augmentation


def augment(images: Tensor, kind: Augmentation, strength: float, rng: Generator) -> Tensor:
    """Images (N, C, H, W) changed at random: 'affine' (small shifts, turns, scales, shears; `strength` 1 is for
    classifiers), 'crop-flip' (4 pixels of padding, random crop, mirror), 'flip' or 'none'. `rng` lives on the CPU.

    By hand, since torchvision is not required and draws from the global generator."""
    if kind == "none":
        return images
    if kind == "affine":
        return _affine(images, strength, rng)
    mirrored = torch.rand(len(images), generator=rng) < 0.5
    images = torch.where(mirrored.view(-1, 1, 1, 1).to(images.device), images.flip(3), images)
    return _crop(images, 4, rng) if kind == "crop-flip" else images


def _affine(images: Tensor, strength: float, rng: Generator) -> Tensor:
    """Shift up to 0.6 of 8 pixels, turn up to 12 degrees, scale up to 12 %, shear up to 0.1, times `strength`."""
    draws = (torch.rand(6, len(images), generator=rng) * 2 - 1) * strength
    angle, shear = draws[0] * math.radians(12), draws[1] * 0.1
    wide, high = 1 + draws[2] * 0.12, 1 + draws[3] * 0.12
    across, down = draws[4] * 0.15, draws[5] * 0.15
    first = torch.stack([angle.cos() * wide, shear - angle.sin() * high, across], 1)
    second = torch.stack([angle.sin() * wide, angle.cos() * high, down], 1)
    matrices = torch.stack([first, second], 1).to(images)
    grid = functional.affine_grid(matrices, list(images.shape), align_corners=False)
    return functional.grid_sample(images, grid, align_corners=False)


def _crop(images: Tensor, margin: int, rng: Generator) -> Tensor:
    count, _, height, width = images.shape
    padded = functional.pad(images, (margin,) * 4)
    top, left = torch.randint(0, 2 * margin + 1, (2, count, 1), generator=rng).to(images.device)
    rows = (top + torch.arange(height, device=images.device)).view(count, 1, height, 1)
    columns = (left + torch.arange(width, device=images.device)).view(count, 1, 1, width)
    sample = torch.arange(count, device=images.device).view(count, 1, 1, 1)
    channel = torch.arange(images.shape[1], device=images.device).view(1, -1, 1, 1)
    return padded[sample, channel, rows, columns]
