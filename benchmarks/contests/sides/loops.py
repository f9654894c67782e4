"""The peers' loops over a denoiser, written anew from their papers: as plain as they are published."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

Predict = Callable[[Tensor, Tensor, Tensor], Tensor]
"""The noise in noised codes (R, c, h, w) at timesteps (R,) under classes (R,)."""
BATCH = 32
"""Rows a call in the diffusion classifier's released settings."""


@dataclass(frozen=True)
class Elimination:
    """After `seen[i]` of the grid's timesteps the `kept[i]` classes of least mean error go on."""

    seen: tuple[int, ...]
    kept: tuple[int, ...]


@torch.no_grad()
def diffusion_classifier(
    predict: Predict, signal: Tensor, code: Tensor, noise: Tensor, grid: Sequence[int], how: Elimination, classes: int
) -> int:
    """The class of one code (c, h, w) under which the noise is predicted best, by the mean absolute error.

    Li et al. 2023, 2303.16203, algorithm 1 with the staged elimination of its appendix: `noise` (T, c, h, w) is one
    draw for each timestep of the grid (T,), which all classes share; class by class and timestep by timestep the rows
    go through the network, 32 at a time.
    """
    errors: dict[int, list[float]] = {kind: [] for kind in range(classes)}
    left, looked = list(range(classes)), set[int]()
    for count, keep in zip(how.seen, how.kept, strict=True):
        stride = len(grid) // count
        places = [place for place in range(stride // 2, len(grid), stride)[:count] if place not in looked]
        looked.update(places)
        rows = [(kind, place) for kind in left for place in places]
        for start in range(0, len(rows), BATCH):
            kinds, numbers = (torch.tensor(column) for column in zip(*rows[start : start + BATCH], strict=True))
            steps, drawn = torch.tensor(grid)[numbers], noise[numbers]
            share = signal[steps].view(-1, 1, 1, 1).to(code)
            noisy = code * share**0.5 + drawn * (1 - share) ** 0.5
            error = functional.l1_loss(
                predict(noisy, steps.to(code.device), kinds.to(code.device)), drawn, reduction="none"
            ).mean((1, 2, 3))
            for kind, value in zip(kinds.tolist(), error.tolist(), strict=True):
                errors[kind].append(value)
        left = sorted(left, key=lambda kind: sum(errors[kind]) / len(errors[kind]))[:keep]
    return left[0]


def diffpure(
    predict: Predict, betas: Tensor, images: Tensor, noise: Tensor, top: int, steps: int, saving: bool
) -> Tensor:
    """Images (N, C, H, W) in [0, 1], up `top` timesteps of the schedule's betas in one leap and down in so many steps.

    Nie et al. 2022, 2205.07460: Euler and Maruyama on the reverse variance-preserving SDE, dx = -(beta / 2) (x + 2 s)
    dt + sqrt(beta) dw with s = -e / sqrt(1 - abar); `noise` (steps + 1, N, C, H, W) is the leap's and the steps'. With
    `saving` autograd keeps no more than the state of each step and computes the step again; else every graph.
    """
    signal = (1 - betas).cumprod(0)
    share = float(signal[top - 1])
    state = math.sqrt(share) * (2 * images - 1) + math.sqrt(1 - share) * noise[0]
    levels = [top * left // steps for left in range(steps, -1, -1)]
    for (level, lower), drawn in zip(pairwise(levels), noise[1:], strict=True):
        step = partial(_down, predict, level - 1, float(signal[level - 1]), (level - lower) * float(betas[level - 1]))
        state = checkpoint(step, state, drawn, use_reentrant=False) if saving else step(state, drawn)
    return (state + 1) / 2


def _down(predict: Predict, timestep: int, share: float, rate: float, state: Tensor, drawn: Tensor) -> Tensor:
    timesteps = torch.full((len(state),), timestep)
    score = -predict(state, timesteps, torch.zeros_like(timesteps)) / math.sqrt(1 - share)
    return state + rate * (state / 2 + score) + math.sqrt(rate) * drawn


def likelier(predict: Predict, signal: Tensor, images: Tensor, sigmas: Tensor, noise: Tensor, rate: float) -> Tensor:
    """Images (N, C, H, W) after a step of Adam for each of the timesteps (S, N) and draws of noise (S, N, C, H, W).

    Chen et al. 2024, 2305.15241, algorithm 1: each step lowers the squared error of the denoised noisy image; pixels
    are cut to [0, 1] at the end.
    """
    codes = (2 * images.detach() - 1).requires_grad_(True)
    optimizer = torch.optim.Adam([codes], rate)
    for steps, drawn in zip(sigmas, noise, strict=True):
        sigma = _level(signal, steps)
        error = (_denoised(predict, signal, codes + sigma * drawn, steps, torch.zeros_like(steps)) - codes).square()
        optimizer.zero_grad()
        error.flatten(1).mean(1).sum().backward()
        optimizer.step()
    return ((codes.detach() + 1) / 2).clamp(0, 1)


def edm_logits(
    predict: Predict, signal: Tensor, image: Tensor, noise: Tensor, grid: Tensor, weights: Tensor, classes: int
) -> Tensor:
    """Logits (K,) of one image (C, H, W): minus the weighted squared errors of its denoised noisy versions under every
    class, at every timestep of the grid (T,), summed over pixels (Chen et al. 2024, 2305.15241, eq. 9)."""
    code = 2 * image - 1
    errors = []
    for kind in range(classes):
        noisy = code + _level(signal, grid) * noise
        found = _denoised(predict, signal, noisy, grid, torch.full_like(grid, kind))
        errors.append((weights * (found - code).square().flatten(1).mean(1)).mean())
    return -torch.stack(errors) * code.numel()


def _level(signal: Tensor, steps: Tensor) -> Tensor:
    share = signal[steps].view(-1, 1, 1, 1)
    return ((1 - share) / share).sqrt().float()


def _denoised(predict: Predict, signal: Tensor, noisy: Tensor, steps: Tensor, classes: Tensor) -> Tensor:
    """D(x; sigma) of Karras et al. 2022 by a network that predicts the noise of a variance-preserving schedule."""
    sigma = _level(signal, steps)
    return noisy - sigma * predict(noisy / (1 + sigma**2).sqrt(), steps, classes)
