"""Denoised smoothing: any classifier, certified behind one step of a diffusion model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from bench import Defense, Part, Smoothed, Task
from defenses.parts.weights.layout import precision_at, unconditional_files


@dataclass(frozen=True)
class DenoisedSmoothing(Defense):
    """Randomized smoothing of an ordinary classifier: the noise is taken away in one step of a diffusion model first.

    Carlini et al. 2023, 2206.10550. `weights` is an unconditional denoiser in pixel space: a file of `bench train
    diffpure` (the packaged ones by default), or a file, folder or hub id in the layout of diffusers' DDPM. `classifier`
    is any defense that neither draws nor abstains. `sigma`, `draws`, `alpha`, `copies` and `rows` are those of
    smoothing; `precision` is that of the denoiser's network, and auto is float32.
    """

    family = "certified by smoothing"
    weights: str | None = None
    classifier: Part = Part("resnet")
    sigma: float = 0.25
    draws: int = 100
    alpha: float = 0.001
    copies: int = 4
    precision: Literal["auto", "float32", "float16", "bfloat16"] = "auto"
    rows: int | None = None

    def on(self, task: Task, device: Callable[[], str]) -> DenoisedSmoothing:
        """The same smoothing with its precision spelled out."""
        return replace(self, precision=precision_at(self.precision, None, device))

    def load(self, task: Task, device: str) -> Smoothed:
        """The vote over denoiser and classifier."""
        from defenses.parts.diffusion.assembly import in_pixels
        from defenses.parts.diffusion.memory import noisy_rows
        from defenses.parts.purification.one_shot import DenoisedOnce, timestep_for
        from defenses.parts.purification.smoothed import GaussianVote, Vote

        vote = Vote(self.sigma, self.draws, self.alpha, self.copies)
        denoiser = in_pixels(self.files(task)["denoiser"], self.precision, task, device, conditional=False)
        timestep = timestep_for(denoiser.schedule, self.sigma)
        base = DenoisedOnce(denoiser, timestep, self.classifier.load(task, device))
        return GaussianVote(base, len(task.classes), vote, *noisy_rows(base, task, device, self.rows))

    def files(self, task: Task) -> Mapping[str, Path]:
        """The denoiser, and the configurations beside it that it does not hold itself."""
        return unconditional_files(self.weights, task)
