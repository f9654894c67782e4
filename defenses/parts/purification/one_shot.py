"""Denoising in one step: the noise of a smoothed classifier taken away by a diffusion model."""

from __future__ import annotations

from torch import Generator, Tensor

from bench import Classifier, UsageError
from defenses.parts.diffusion.denoiser import Denoiser, noise_levels
from defenses.parts.gradients import differentiable

RANGE = 2.0
"""How much wider codes in [-1, 1] are than pixels in [0, 1]."""


def timestep_for(schedule: Tensor, sigma: float) -> int:
    """The first timestep whose noise, relative to the signal, is that of deviation `sigma` in pixels or more.

    The smallest t with (1 - abar_t) / abar_t >= (2 sigma)^2 (Carlini et al. 2023, 2206.10550, section 3, for codes in
    [-1, 1]). Raises `UsageError` where the schedule ends below.
    """
    reached = (noise_levels(schedule) >= RANGE * sigma).nonzero().flatten()
    if len(reached) == 0:
        raise UsageError(f"The denoiser's schedule ends below a noise of sigma {sigma}; choose a smaller sigma.")
    return int(reached[0])


class DenoisedOnce(Classifier):
    """A classifier behind one step of a denoiser, for images that already carry Gaussian noise of a known deviation.

    Carlini et al. 2023, 2206.10550, algorithm 1: x_t = sqrt(abar_t) (x + noise), then the denoiser's estimate of x,
    clamped to the range of images as in their code.
    """

    def __init__(self, denoiser: Denoiser, timestep: int, classifier: Classifier) -> None:
        self.denoiser, self.timestep, self.classifier = denoiser, timestep, classifier
        self.deterministic, self.abstains = classifier.deterministic, classifier.abstains
        self.differentiable = classifier.differentiable

    def __call__(self, images: Tensor, rng: Generator) -> Tensor:
        """Logits (N, K) of noisy images (N, C, H, W) around [0, 1]."""
        return self.classifier(self.denoised(images), rng)

    def denoised(self, images: Tensor) -> Tensor:
        """What the denoiser takes the images (N, C, H, W) to be without their noise, in [0, 1]."""
        codes = self.denoiser.encode(images)
        signal = self.denoiser.schedule[self.timestep].to(codes.device)
        kept, level = signal.sqrt().to(codes.dtype), noise_levels(signal).to(codes.dtype)
        clean = codes - level * self.denoiser.noise_at(kept * codes, self.timestep)
        return ((clean.clamp(-1, 1) + 1) / 2).to(images.dtype)

    def stand_in(self) -> Classifier | None:
        """The same denoiser before what autograd goes through in the classifier's place, where it has no gradient."""
        inner = None if self.classifier.differentiable else differentiable(self.classifier)
        return None if inner is None else DenoisedOnce(self.denoiser, self.timestep, inner)

    def shrink(self) -> str | None:
        """What the classifier can save."""
        return self.classifier.shrink()
