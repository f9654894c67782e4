"""Robust diffusion classification: images made likelier, then the class under which EDM's weighted errors are least."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from bench import Classifier, UsageError
from defenses.parts.denoiser import Denoiser, noise_levels
from defenses.parts.noise_errors import Chunks, Rows, error_table

DATA_DEVIATION = 0.5
LOG_MEAN, LOG_DEVIATION = -1.2, 1.2
"""Karras et al. 2022, 2206.00364, table 1."""


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
    nothing is clamped. Deviation: noise comes from `rng` instead of a fixed seed, and sigma is the schedule's nearest.
    """

    def __init__(self, denoiser: Denoiser, ascent: Ascent, chunks: Chunks) -> None:
        self.denoiser, self.ascent, self.chunks = denoiser, ascent, chunks

    def __call__(self, images: Tensor, rng: Generator) -> Tensor:
        """Likelier images (N, C, H, W), without a gradient; the noise of every step is drawn for all images first."""
        codes = self.denoiser.encode(images.detach())
        levels = noise_levels(self.denoiser.schedule)
        shape = (self.ascent.steps, len(codes))
        share = torch.rand(shape, generator=rng, device=rng.device)
        sigmas = self.ascent.lowest + (self.ascent.highest - self.ascent.lowest) * share
        steps = nearest(levels, sigmas.cpu()).to(codes.device)
        noise = torch.randn(*shape, *codes.shape[1:], generator=rng, device=rng.device).to(codes)
        size = self.chunks.graph
        parts = [
            self._climb(part, steps[:, at : at + size], noise[:, at : at + size], levels)
            for at, part in zip(range(0, len(codes), size), torch.split(codes, size), strict=True)
        ]
        return ((torch.cat(parts) + 1) / 2).to(images.dtype)

    def shrink(self) -> str | None:
        """Half as many images at once."""
        return f"chunks of {self.chunks.plain} rows" if self.chunks.halve() else None

    def _climb(self, codes: Tensor, steps: Tensor, noise: Tensor, levels: Tensor) -> Tensor:
        likelier = codes.clone().requires_grad_(True)
        optimizer = torch.optim.Adam([likelier], self.ascent.learning_rate)
        for step, drawn in zip(steps, noise, strict=True):
            with torch.enable_grad():
                errors = self.denoiser.errors(likelier, drawn, step, torch.zeros_like(step), "l2")
                # a sum over the images, so that none depends on how many there are
                loss = (levels.to(codes)[step].square() * errors).sum()
            (likelier.grad,) = torch.autograd.grad(loss, likelier)
            optimizer.step()
        return likelier.detach()


class EdmClassification(Classifier):
    """The class under which a conditional denoiser's EDM loss is least (Chen et al. 2024, 2305.15241, eq. 9).

    Logits are minus the mean over the noise levels of D's squared error, weighted by w p (sum of weights 1 after the
    factor sigma^2 of the change of variables), times the number of values in an image. One noise a level is shared by
    classes and images. The gradient is exact and needs the memory of one chunk.
    """

    deterministic = False

    def __init__(self, denoiser: Denoiser, sigmas: Tensor, classes: int, chunks: Chunks) -> None:
        levels = noise_levels(denoiser.schedule)
        self.denoiser, self._classes, self._chunks = denoiser, classes, chunks
        self.steps = nearest(levels, sigmas)
        found = levels[self.steps]
        weights = weights_of(found) * found.square()
        self.weights = weights / weights.sum()

    def __call__(self, images: Tensor, rng: Generator) -> Tensor:
        """Logits (N, K), differentiable in the images; all noise is drawn first."""
        codes = self.denoiser.encode(images)
        noise = torch.randn(len(self.steps), *codes.shape[1:], generator=rng, device=rng.device).to(codes)
        classes = torch.arange(self._classes, device=codes.device).expand(len(codes), -1)
        rows = Rows(classes, self.steps.to(codes.device), noise)
        table = error_table(self.denoiser, codes, rows, "l2", self._chunks)
        return -(table * self.weights.to(table)).sum(2) * codes[0].numel()

    def shrink(self) -> str | None:
        """Half as many rows a network call."""
        return f"chunks of {self._chunks.plain} rows" if self._chunks.halve() else None
