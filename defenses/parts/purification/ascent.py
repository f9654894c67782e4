"""Purification by climbing the score: deterministic steps with adaptive sizes from a noised image."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Generator, Tensor

from bench import Classifier
from defenses.parts.diffusion.chain import chains
from defenses.parts.diffusion.denoiser import Denoiser, noise_levels
from defenses.parts.diffusion.noise_errors import Chunks
from defenses.parts.gradients import straight_through, with_a_gradient
from defenses.parts.purification.descent import fewer

PROBE = 1e-3
"""How far along the score its change is measured (lr_min in the authors' code)."""
EVALUATIONS = 2
"""How often a step asks the network."""
SMALLEST, LARGEST = 1e-5, 0.1
"""Bounds on a step's size."""


@dataclass(frozen=True)
class Ascent:
    """Steps x' = clamp(x + a s(x)) in pixel units, s the score of images under noise of deviation `sigma`.

    Yoon et al. 2021, 2106.06041, section 4.2, as in the authors' code: a = rate d / (1 - s(x).s(x + d s(x)) /
    s(x).s(x)) with d = 1e-3, within [1e-5, 0.1]; an image stops for good where a falls to `enough`. Their score net
    knows no noise level; ours is asked at the first timestep with at least the noise `sigma`: s = -e(x) / sigma.
    """

    denoiser: Denoiser
    sigma: float
    steps: int
    rate: float
    enough: float

    def __call__(self, images: Tensor, chunks: Chunks) -> Tensor:
        """Images (N, C, H, W) after all steps, in equal parts of at most `chunks.graph` side by side; the gradient is
        exact."""
        parts = torch.split(images, chunks.part(len(images)))
        moves = [[self.step] * self.steps for _ in parts]
        return torch.cat(list(chains(parts, moves, chunks.held // (EVALUATIONS * len(images)), chunks.each)))

    def step(self, images: Tensor) -> Tensor:
        """One step of every image; images that have stopped stay, since their next step would be as short."""
        score = self.score(images)
        further = self.score(images + PROBE * score)
        agreement = (score * further).flatten(1).sum(1) / score.square().flatten(1).sum(1)
        size = (self.rate * PROBE / (1 - agreement)).clamp(SMALLEST, LARGEST)
        size = torch.where(size > self.enough, size, 0.0).view(-1, 1, 1, 1)
        return (images + size * score).clamp(0, 1)

    def score(self, images: Tensor) -> Tensor:
        """The gradient (N, C, H, W) of log p in pixel units."""
        noise = noise_levels(self.denoiser.schedule) / 2  # codes are twice as wide as pixels
        timestep = min(int((noise < self.sigma).sum()), len(noise) - 1)
        codes = float(self.denoiser.schedule[timestep].sqrt()) * self.denoiser.encode(images)
        return -self.denoiser.noise_at(codes, timestep) / float(noise[timestep])


@dataclass(eq=False, repr=False)
class ScorePurified(Classifier):
    """The mean of a classifier's probabilities over noised and purified copies of an image.

    With `gradient` 'identity' the purifier has the gradient of the identity that it is meant to be (BPDA); with 'exact'
    the gradient goes through every step.
    """

    ascent: Ascent
    classifier: Classifier
    sigma: float
    draws: int
    chunks: Chunks
    gradient: Literal["identity", "exact"]
    deterministic = False

    def __post_init__(self) -> None:
        self.differentiable = self.gradient == "exact" and self.classifier.differentiable

    def __call__(self, images: Tensor, rng: Generator) -> Tensor:
        """Log of the mean probabilities (N, K); the noise of all draws is drawn first."""
        noise = torch.randn(self.draws, *images.shape, generator=rng, device=rng.device).to(images)
        votes = [self.classifier(purified, rng).log_softmax(1) for purified in self._purify(images, noise)]
        return torch.stack(votes).logsumexp(0) - math.log(self.draws)

    def stand_in(self) -> Classifier | None:
        """The same steps before what lends the classifier its gradient, where exact steps lead to one that has none."""
        if self.gradient == "identity" or self.classifier.differentiable:
            return None
        return self._before(with_a_gradient(self.classifier), "exact")

    def exact(self) -> Classifier | None:
        """The same with the gradient of every step, where the default is the identity's."""
        return None if self.gradient == "exact" else self._before(with_a_gradient(self.classifier), "exact")

    def surrogate(self) -> Classifier | None:
        """One draw instead of several, with the gradient of every step; None where there is one draw anyway."""
        return None if self.draws == 1 else self._before(with_a_gradient(self.classifier), "exact", 1)

    def exhaustive(self) -> Classifier | None:
        """The same before the classifier without its shortcuts."""
        return self._before(self.classifier.exhaustive(), self.gradient)

    def identity_stand_in(self) -> Classifier | None:
        """The same with the identity for the purifier's gradient; None where the classifier has none to give."""
        return self._before(with_a_gradient(self.classifier), "identity")

    def shrink(self) -> str | None:
        """Fewer images at once in the purifier, then in the classifier."""
        return fewer(self.chunks) or self.classifier.shrink()

    def _before(
        self, inner: Classifier | None, gradient: Literal["identity", "exact"], draws: int | None = None
    ) -> Classifier | None:
        if inner is None:
            return None
        return replace(self, classifier=inner, gradient=gradient, draws=draws or self.draws)

    def _purify(self, images: Tensor, noise: Tensor) -> Tensor:
        """Purified copies (draws, N, C, H, W) under noise of that shape, all in one ascent."""
        straight = self.gradient == "identity"
        noisy = ((images.detach() if straight else images) + self.sigma * noise).clamp(0, 1)
        purified = self.ascent(noisy.flatten(0, 1), self.chunks).unflatten(0, noisy.shape[:2])
        return straight_through(purified, images.expand_as(purified)) if straight else purified
