"""Purification by diffusion: steps down a denoiser's schedule, whose exact gradient needs the graph of one step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from itertools import pairwise
from typing import Literal

import torch
from torch import Generator, Tensor

from bench import UsageError
from defenses.parts.diffusion.chain import chains
from defenses.parts.diffusion.denoiser import Denoiser
from defenses.parts.diffusion.noise_errors import Chunks

NEARLY = Fraction(4, 5)
"""The share of a descent's graphs that must be kept for several draws to go down together."""

Sampler = Literal["sde", "ode", "ddpm", "ddim"]


@dataclass(frozen=True)
class Step:
    """One step down the schedule: x' = keep x + push e(x, timestep) + spread z, e the predicted noise, z ~ N(0, I)."""

    timestep: int
    keep: float
    push: float
    spread: float


@dataclass(frozen=True)
class Descent:
    """A way up the schedule in one leap, sqrt(signal) x + sqrt(1 - signal) z, and down again step by step."""

    signal: float
    steps: tuple[Step, ...]


def descent(schedule: Tensor, sampler: Sampler, t_star: float, count: int) -> Descent:
    """The descent of `count` steps from the share `t_star` of a schedule (alphas_cumprod (T,)) down to clean images.

    'sde' is Euler and Maruyama on the reverse variance-preserving SDE, 'ode' Euler on its probability flow (Song et
    al. 2021, 2011.13456), each with beta at the step's start; a step of 1e-3 is one timestep of 1000. 'ddpm' draws
    from the posterior (Ho et al. 2020, 2006.11239, eq. 7, no clipping), 'ddim' is its deterministic form (Song et al.
    2020, 2010.02502, eq. 12). Raises `UsageError` where the schedule has no such steps. By hand, since diffusers'
    schedulers compute in float32, and its SDE is another.
    """
    total = len(schedule)
    top = round(t_star * total)
    if not 1 <= top <= total:
        raise UsageError(f"t_star must be a share of the schedule, at least {1 / total:g} and at most 1; got {t_star}.")
    if not 1 <= count <= top:
        raise UsageError(f"Between 1 and {top} steps lead down from t_star {t_star:g}; got {count}.")
    share = [1.0, *schedule.tolist()]
    levels = [top * left // count for left in range(count, -1, -1)]
    return Descent(share[top], tuple(_step(share, sampler, level, lower) for level, lower in pairwise(levels)))


@dataclass(frozen=True)
class Diffusion:
    """A purifier: up the schedule and down again. `chunks.graph` images go through the network at once, with a graph
    or without, so that a gradient sees the very states of the prediction."""

    denoiser: Denoiser
    way: Descent
    chunks: Chunks

    def __call__(self, images: Tensor, rng: Generator) -> Tensor:
        """Purified images (N, C, H, W), not clamped; the noise of every step is drawn for the whole batch first."""
        return self.together([images], [rng])[0]

    def together(self, images: Sequence[Tensor], rngs: Sequence[Generator]) -> tuple[Tensor, ...]:
        """The same of several batches, each with noise of its own, in one descent."""
        drawn = [
            torch.randn(len(self.way.steps) + 1, *batch.shape, generator=rng, device=rng.device)
            for batch, rng in zip(images, rngs, strict=True)
        ]
        found = descend(self.denoiser, torch.cat(list(images)), self.way, torch.cat(drawn, 1), self.chunks)
        return torch.split(found, [len(batch) for batch in images])

    def at_once(self, count: int) -> int:
        """How many draws about so many images have graphs of which nearly all can be kept."""
        return int(self.chunks.held / (NEARLY * max(1, count * len(self.way.steps))))

    def shrink(self) -> str | None:
        """Half as many images at once; None where one is left."""
        return fewer(self.chunks)


def fewer(chunks: Chunks) -> str | None:
    """Halve the chunks and say so; None where nothing is left to halve."""
    if chunks.graph == 1:
        return None
    chunks.halve()
    return f"chunks of {chunks.graph} images"


def descend(denoiser: Denoiser, images: Tensor, way: Descent, noise: Tensor, chunks: Chunks) -> Tensor:
    """Images (N, C, H, W) in [0, 1], noised and brought down again in equal parts of at most `chunks.graph`, side by
    side; not clamped.

    Differentiable once, exactly: the gradient goes through every evaluation of the network, by `chains`.
    """
    codes = denoiser.encode(images)
    noise = noise.to(codes)
    noisy = way.signal**0.5 * codes + (1 - way.signal) ** 0.5 * noise[0]
    rows = chunks.part(len(noisy))
    moves = [
        [partial(_advance, denoiser, step, z) for step, z in zip(way.steps, drawn, strict=True)]
        for drawn in torch.split(noise[1:], rows, dim=1)
    ]
    parts = chains(torch.split(noisy, rows), moves, chunks.held // len(noisy), chunks.each)
    return (torch.cat(list(parts)) + 1) / 2


def _step(share: Sequence[float], sampler: Sampler, level: int, lower: int) -> Step:
    """The step from `level` to `lower`, where a level is one more than its timestep."""
    here, there = share[level], share[lower]
    alpha, noise = here / there, (1 - here) ** 0.5
    if sampler == "ddpm":
        variance = (1 - there) / (1 - here) * (1 - alpha)
        return Step(level - 1, alpha**-0.5, -(1 - alpha) / (noise * alpha**0.5), variance**0.5)
    if sampler == "ddim":
        return Step(level - 1, alpha**-0.5, (1 - there) ** 0.5 - noise / alpha**0.5, 0.0)
    rate = (level - lower) * (1 - here / share[level - 1])
    if sampler == "ode":
        return Step(level - 1, 1 + rate / 2, -rate / (2 * noise), 0.0)
    return Step(level - 1, 1 + rate / 2, -rate / noise, rate**0.5)


def _advance(denoiser: Denoiser, step: Step, noise: Tensor, state: Tensor) -> Tensor:
    """The state one step further down."""
    predicted = denoiser.noise_at(state, step.timestep).to(state.dtype)
    further = step.keep * state + step.push * predicted
    return further + step.spread * noise if step.spread else further
