"""Images from noise: the deterministic second-order sampler of EDM, for denoisers trained to predict noise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Generator, Tensor

from bench import UsageError
from defenses.parts.diffusion.denoiser import Denoiser, noise_levels
from defenses.parts.narrow import type_of, wide

if TYPE_CHECKING:
    from bench import Watch

LOWEST, HIGHEST, RHO = 0.002, 80.0, 7.0
ROWS = 512
"""Images that go through the network at once."""


def levels(steps: int, lowest: float = LOWEST, highest: float = HIGHEST, rho: float = RHO) -> tuple[float, ...]:
    """The `steps` + 1 noise levels of a trajectory, falling from `highest` to `lowest` and then 0.

    Karras et al. 2022, 2206.00364, eq. 5. Raises `UsageError` for less than one step.
    """
    if steps < 1:
        raise UsageError(f"Sampling needs at least one step; got {steps}.")
    ramp = np.linspace(0, 1, steps) if steps > 1 else np.zeros(1)
    first, last = highest ** (1 / rho), lowest ** (1 / rho)
    return (*((first + ramp * (last - first)) ** rho).tolist(), 0.0)


def heun(
    denoise: Callable[[Tensor, float], Tensor],
    noise: Tensor,
    sigmas: Sequence[float],
    watch: Callable[[int], None] | None = None,
) -> Tensor:
    """Follow the probability flow from `noise` (N, ...) of unit variance down the levels `sigmas`, in float64.

    `denoise(noisy, sigma)` is D(x; sigma), the expected clean image; `watch` is told the steps done. Karras et al.
    2022, algorithm 1 (sigma(t) = t, s(t) = 1): one Euler step and its correction, except for the last step, to 0.
    """
    state = noise.double() * sigmas[0]
    for done, (now, following) in enumerate(pairwise(sigmas), start=1):
        slope = (state - denoise(state, now)) / now
        moved = state + (following - now) * slope
        if following > 0:
            corrected = (moved - denoise(moved, following)) / following
            moved = state + (following - now) * (slope + corrected) / 2
        state = moved
        if watch is not None:
            watch(done)
    return state


def expected(denoiser: Denoiser, noisy: Tensor, sigma: float, classes: Tensor) -> Tensor:
    """D(x; sigma): the clean codes that the network expects behind `noisy` = clean + sigma * noise, as float64.

    A network of the variance-preserving kind under EDM's preconditioning (Karras et al. 2022, table 1, column VP):
    c_skip = 1, c_out = -sigma, c_in = 1 / sqrt(1 + sigma^2), and c_noise the timestep of that level. Deviation: the
    timestep is interpolated in log sigma between the schedule's own, as it was trained on a discrete schedule.
    """
    known = noise_levels(denoiser.schedule).log().cpu().numpy()
    timestep = float(np.interp(np.log(sigma), known, np.arange(len(known))))
    share = 1 / (1 + sigma**2)
    steps = torch.full((len(noisy),), timestep, device=noisy.device)
    signal = torch.full((len(noisy), 1, 1, 1), share, device=noisy.device, dtype=torch.float64)
    codes = (noisy * share**0.5).to(wide(type_of(denoiser.network)))
    predicted = denoiser.noise(codes, steps, classes, signal)
    return noisy - sigma * predicted.double()


@torch.no_grad()
def sample(
    denoiser: Denoiser, shape: tuple[int, int, int], labels: Tensor, steps: int, rng: Generator, watch: Watch
) -> Tensor:
    """Images (N, C, H, W) in [0, 1] of the classes `labels` (N,), drawn by a denoiser whose codes are images.

    The levels stay within those that the denoiser's schedule knows. All noise is drawn from `rng` first. By hand, since
    diffusers' own sampler of this kind computes in float32.
    """
    known = noise_levels(denoiser.schedule)
    sigmas = levels(steps, max(LOWEST, float(known[0])), min(HIGHEST, float(known[-1])))
    noise = torch.randn((len(labels), *shape), generator=rng, device=rng.device).to(labels.device)
    drawn: list[Tensor] = []
    for part, classes in zip(noise.split(ROWS), labels.split(ROWS), strict=True):
        before = len(drawn) * ROWS

        def tell(done: int, before: int = before, size: int = len(part)) -> None:
            watch(before + size * done / steps, len(labels), "images drawn")

        def denoise(noisy: Tensor, sigma: float, classes: Tensor = classes) -> Tensor:
            return expected(denoiser, noisy, sigma, classes)

        drawn.append(heun(denoise, part, sigmas, tell).float())
    return ((torch.cat(drawn) + 1) / 2).clamp(0, 1)
