"""DiffPure: noise the image, bring it back by diffusion, then classify it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from bench import Classifier, Part, Task, Trainable, Trained, Training
from defenses.diffusion_classifier import DiffusionClassifier
from defenses.parts.images import is_tiny
from defenses.parts.training.recipes import DenoiserRecipe
from defenses.parts.weights.layout import UNCONDITIONAL, precision_at, unconditional_files

FEWER = 5
"""How many times as many steps as its surrogate's a descent has, where an attack asks for a cheap gradient: Lee and Kim
differentiate 20 steps where predictions take 100."""


@dataclass(frozen=True)
class DiffPure(Trainable):
    """An unconditional diffusion model as a purifier in front of any classifier.

    Nie et al. 2022, 2205.07460: up to the share `t_star` of the schedule in one leap, then `steps` steps down, by
    default Euler and Maruyama on the reverse SDE; `sampler` ode, ddpm and ddim are the other ways down. Published: t*
    0.1 for CIFAR-10 at linf 8/255 in steps of 1e-3, so 100. Tiny images: 0.075 in 10, chosen on 200 training images
    that the classifier had not seen. `weights` is a file of `bench train`, or a file, folder or hub id in the layout
    of diffusers' DDPM (default for cifar10: google/ddpm-cifar10-32); checkpoints of score-SDE and guided-diffusion
    are not read. The gradient is exact, through every step; `surrogate` instead differentiates a descent of so many
    steps (Lee and Kim 2023, 2303.09051) while predictions take all. `precision` is that of the denoiser's network; auto
    is float32. `rows` images go through it at once, by default what fits into the device.
    """

    family = "purification"
    weights: str | None = None
    classifier: Part = Part("resnet")
    sampler: Literal["sde", "ode", "ddpm", "ddim"] = "sde"
    t_star: float | None = None
    steps: int | None = None
    surrogate: int | None = None
    precision: Literal["auto", "float32", "float16", "bfloat16"] = "auto"
    rows: int | None = None

    def resolve(self, task: Task) -> DiffPure:
        """The same purifier with its descent spelled out."""
        t_star, steps = self._descent(task)
        return replace(self, t_star=t_star, steps=steps)

    def on(self, task: Task, device: Callable[[], str]) -> DiffPure:
        """The same purifier with its precision spelled out."""
        return replace(self, precision=precision_at(self.precision, None, device))

    def load(self, task: Task, device: str) -> Classifier:
        """The purifier and its classifier in memory."""
        from defenses.parts.diffusion.assembly import in_pixels
        from defenses.parts.diffusion.memory import chunks_for
        from defenses.parts.gradients import with_a_gradient
        from defenses.parts.purification.descent import Diffusion, descent
        from defenses.parts.purification.diffused import Diffused

        t_star, steps = self._descent(task)
        denoiser = in_pixels(self.files(task)["denoiser"], self.precision, task, device, conditional=False)
        chunks, inner = chunks_for(denoiser, task, device, self.rows), self.classifier.load(task, device)

        def purifier(count: int) -> Diffusion:
            return Diffusion(denoiser, descent(denoiser.schedule, self.sampler, t_star, count), chunks)

        def shorter(count: int) -> Classifier:
            return Diffused(purifier(count), with_a_gradient(inner) or inner)

        few = steps // FEWER
        return Diffused(
            purifier(steps),
            inner,
            None if self.surrogate is None else shorter(self.surrogate),
            cheaper=(lambda: shorter(few)) if few else None,
        )

    def files(self, task: Task) -> Mapping[str, Path]:
        """The denoiser, and the configurations beside it that it does not hold itself."""
        return unconditional_files(self.weights, task)

    def recipe(self, task: Task) -> DenoiserRecipe:
        """AdamW with warm-up, cosine and averaged weights; fewer steps than a class-conditional denoiser's."""
        recipe = DiffusionClassifier().recipe(task)
        return replace(recipe, steps=recipe.steps * 3 // 4)

    def train(self, run: Training, recipe: DenoiserRecipe) -> Trained:
        """Train an unconditional denoiser in pixel space from scratch."""
        from defenses.parts.training.denoising import learn

        return learn(run, recipe, UNCONDITIONAL, conditional=False)

    def _descent(self, task: Task) -> tuple[float, int]:
        """Where the descent starts, and in how many steps it leads down."""
        tiny = is_tiny(task)
        t_star = (0.075 if tiny else 0.1) if self.t_star is None else self.t_star
        steps = (10 if tiny else max(1, round(1000 * t_star))) if self.steps is None else self.steps
        return t_star, steps
