"""Robust diffusion classification: images made likelier, and the weights of EDM's errors under each class."""

from __future__ import annotations

import math
from contextlib import nullcontext
from dataclasses import dataclass

import torch
from torch import Generator, Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from bench import UsageError
from defenses.parts.diffusion.chain import Move, chain
from defenses.parts.diffusion.denoiser import Denoiser, noise_levels
from defenses.parts.diffusion.diffusion_classification import Grid
from defenses.parts.diffusion.noise_errors import Chunks

DATA_DEVIATION = 0.5
LOG_MEAN, LOG_DEVIATION = -1.2, 1.2
"""Karras et al. 2022, 2206.00364, table 1."""
BETAS, TINY = (0.9, 0.999), 1e-8
"""Adam's, as everywhere."""
TWICE = 4
"""How many times as much memory a row takes whose second derivatives are asked for."""


def nearest(levels: Tensor, sigmas: Tensor) -> Tensor:
    """The timesteps whose noise levels are nearest to some sigmas: a network knows no others."""
    return (levels - sigmas.to(levels)[..., None]).abs().argmin(-1)


def weights_of(sigmas: Tensor) -> Tensor:
    """w(sigma) p(sigma) for D's squared errors: EDM's loss weight times the log-normal density it trains with.

    w = (sigma^2 + 0.25) / (0.5 sigma)^2; p is the density of sigma itself, 1 / (sigma 1.2 sqrt(2 pi))
    exp(-(ln sigma + 1.2)^2 / (2 1.2^2)), whose exponent the released code of RDC puts in other brackets.
    """
    weight = (sigmas.square() + DATA_DEVIATION**2) / (DATA_DEVIATION * sigmas).square()
    standardised = (sigmas.log() - LOG_MEAN) / LOG_DEVIATION
    density = (-standardised.square() / 2).exp() / (sigmas * LOG_DEVIATION * math.sqrt(2 * math.pi))
    return weight * density


@dataclass(frozen=True)
class Ascent:
    """How likelihood is climbed: Adam steps, and the range of the noise of one."""

    steps: int
    learning_rate: float
    lowest: float
    highest: float

    def __post_init__(self) -> None:
        if self.steps < 0 or self.learning_rate <= 0 or not 0 < self.lowest <= self.highest:
            raise UsageError(
                f"Likelihood needs steps >= 0, a learning rate above 0 and 0 < lowest <= highest noise; got {self}."
            )


class LikelihoodMaximizer:
    """A purifier: images likelier under an unconditional denoiser, by Adam on MSE(D(x + sigma n), x).

    Chen et al. 2024, 2305.15241, algorithm 1 as their code has it: the gradient passes through D and through x, and
    what leaves [0, 1] is cut off after the last step. Deviation: noise comes from `rng` instead of a fixed seed, and
    sigma is the schedule's nearest.

    With `exact` the images have the gradient of all that, second derivatives of the denoiser included; it keeps the
    graph of one step.
    """

    def __init__(self, denoiser: Denoiser, ascent: Ascent, chunks: Chunks, exact: bool = False) -> None:
        self.denoiser, self.ascent, self.chunks, self.exact = denoiser, ascent, chunks, exact

    def __call__(self, images: Tensor, rng: Generator) -> Tensor:
        """Likelier images (N, C, H, W); the noise of every step is drawn for all of them first."""
        codes = self.denoiser.encode(images if self.exact else images.detach())
        levels = noise_levels(self.denoiser.schedule)
        shape = (self.ascent.steps, len(codes))
        share = torch.rand(shape, generator=rng, device=rng.device)
        sigmas = self.ascent.lowest + (self.ascent.highest - self.ascent.lowest) * share
        steps = nearest(levels, sigmas.cpu()).to(codes.device)
        noise = torch.randn(*shape, *codes.shape[1:], generator=rng, device=rng.device).to(codes)
        size = max(1, self.chunks.graph // TWICE) if self.exact else self.chunks.graph
        parts = [
            self._climb(part, steps[:, at : at + size], noise[:, at : at + size])
            for at, part in zip(range(0, len(codes), size), torch.split(codes, size), strict=True)
        ]
        return ((torch.cat(parts) + 1) / 2).clamp(0, 1).to(images.dtype)

    def shrink(self) -> str | None:
        """Half as many images at once."""
        return f"chunks of {self.chunks.plain} rows" if self.chunks.halve() else None

    def _climb(self, codes: Tensor, steps: Tensor, noise: Tensor) -> Tensor:
        """Codes (n, c, h, w) after all steps; the state of `chain` is them and Adam's two means."""

        def move(number: int, step: Tensor, drawn: Tensor) -> Move:
            return lambda state: self._step(state, number, step, drawn)

        numbered = zip(range(1, len(steps) + 1), steps, noise, strict=True)
        start = torch.stack([codes, torch.zeros_like(codes), torch.zeros_like(codes)])
        return chain(start, [move(*each) for each in numbered])[0]

    def _step(self, state: Tensor, number: int, step: Tensor, drawn: Tensor) -> Tensor:
        """One step of Adam, the first being `number` 1 (Kingma and Ba 2014, 1412.6980, algorithm 1)."""
        codes, mean, square = state
        slope = self._slope(codes, step, drawn)
        mean = BETAS[0] * mean + (1 - BETAS[0]) * slope
        square = BETAS[1] * square + (1 - BETAS[1]) * slope.square()
        # the root of 0 has no derivative, and where the slope is 0 nothing is divided by it
        root = torch.where(square > 0, square, 1).sqrt() * (square > 0)
        size = self.ascent.learning_rate / (1 - BETAS[0] ** number)
        codes = codes - size * mean / (root / math.sqrt(1 - BETAS[1] ** number) + TINY)
        return torch.stack([codes, mean, square])

    def _slope(self, codes: Tensor, step: Tensor, drawn: Tensor) -> Tensor:
        """The gradient of the denoiser's errors, differentiable where the codes are."""
        further = torch.is_grad_enabled() and codes.requires_grad
        leaf = codes if further else codes.detach().requires_grad_(True)
        # fused attention has no second derivative; what is computed again must be computed alike
        attention = sdpa_kernel(SDPBackend.MATH) if self.exact else nullcontext()
        with torch.enable_grad(), attention:
            errors = self.denoiser.errors(leaf, drawn, step, torch.zeros_like(step), "l2")
            # a sum over the images, so that none depends on how many there are
            loss = (noise_levels(self.denoiser.schedule).to(codes)[step].square() * errors).sum()
            (slope,) = torch.autograd.grad(loss, leaf, create_graph=further)
        return slope


def edm_grid(schedule: Tensor, sigmas: Tensor) -> Grid:
    """The timesteps nearest to some noise levels, weighted as EDM's loss weighs D's squared error there (Chen et al.
    2024, 2305.15241, eq. 9): w p times the factor sigma^2 of the change of variables."""
    levels = noise_levels(schedule)
    steps = nearest(levels, sigmas)
    found = levels[steps]
    weights = weights_of(found) * found.square()
    return Grid(steps, weights / weights.mean(), "l2")
