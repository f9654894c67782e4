"""ADP: noise the image, climb the score of a denoiser, then classify it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from bench import Classifier, Defense, Part, Task, UsageError
from defenses.parts.images import is_tiny
from defenses.parts.weights.layout import precision_at, unconditional_files

TINY, PUBLISHED = (0.2, 5, 4), (0.05, 10, 10)


@dataclass(frozen=True)
class ADP(Defense):
    """A denoiser's score as a purifier in front of any classifier: noise, then deterministic adaptive steps.

    Yoon et al. 2021, 2106.06041: noise of deviation `sigma` in pixel units, at most `steps` steps along the score of
    adaptive size (`rate` is their lambda) until a size falls to `enough`, the mean of the probabilities over `draws`
    noises. Published: lambda 0.05, 10 steps, 10 draws; tiny images 0.2, 5 and 4, chosen on 200 training images that
    the classifier had not seen. Deviation: the score is that of diffpure's denoiser (`weights` likewise) at the noise
    `sigma`, where they train a score net for this. `gradient` identity is their attack's (BPDA); exact goes through
    every step. `precision` is that of the denoiser's network; auto is float32. `rows` images go through it at once, by
    default what fits into the device.
    """

    family = "purification"
    weights: str | None = None
    classifier: Part = Part("resnet")
    sigma: float = 0.25
    rate: float | None = None
    steps: int | None = None
    draws: int | None = None
    enough: float = 1e-3
    gradient: Literal["identity", "exact"] = "identity"
    precision: Literal["auto", "float32", "float16", "bfloat16"] = "auto"
    rows: int | None = None

    def resolve(self, task: Task) -> ADP:
        """The same purifier with rate, steps and draws spelled out."""
        rate, steps, draws = self._sizes(task)
        return replace(self, rate=rate, steps=steps, draws=draws)

    def on(self, task: Task, device: Callable[[], str]) -> ADP:
        """The same purifier with its precision spelled out."""
        return replace(self, precision=precision_at(self.precision, None, device))

    def load(self, task: Task, device: str) -> Classifier:
        """The purifier and its classifier in memory. Raises `UsageError` for sizes that make no sense."""
        from defenses.parts.diffusion.assembly import in_pixels
        from defenses.parts.diffusion.memory import chunks_for
        from defenses.parts.purification.ascent import Ascent, ScorePurified

        rate, steps, draws = self._sizes(task)
        if self.sigma <= 0 or rate <= 0 or steps < 1 or draws < 1:
            raise UsageError(
                f"sigma and rate must be above 0, steps and draws at least 1; got sigma {self.sigma:g}, "
                f"rate {rate:g}, steps {steps}, draws {draws}."
            )
        denoiser = in_pixels(self.files(task)["denoiser"], self.precision, task, device, conditional=False)
        chunks, inner = chunks_for(denoiser, task, device, self.rows), self.classifier.load(task, device)
        ascent = Ascent(denoiser, self.sigma, steps, rate, self.enough)
        return ScorePurified(ascent, inner, self.sigma, draws, chunks, self.gradient)

    def files(self, task: Task) -> Mapping[str, Path]:
        """The denoiser, and the configurations beside it that it does not hold itself."""
        return unconditional_files(self.weights, task)

    def _sizes(self, task: Task) -> tuple[float, int, int]:
        """Rate, steps and draws: the given ones, else a task's own."""
        rate, steps, draws = TINY if is_tiny(task) else PUBLISHED
        return (
            rate if self.rate is None else self.rate,
            steps if self.steps is None else self.steps,
            draws if self.draws is None else self.draws,
        )
