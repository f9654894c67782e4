"""Truth Maximized Diffusion Classifier: the diffusion classifier adapted to adversarial images of known class."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from bench import Classifier, Task, Trainable, Trained, Training, WeightsError
from defenses.diffusion_classifier import DiffusionClassifier

if TYPE_CHECKING:
    from defenses.parts.training.truth_maximization import TruthRecipe

NAME = "tmdc"
SAVED = "pytorch_lora_weights.safetensors"
"""What diffusers calls a file of low-rank weights in the folder that it is told."""


@dataclass(frozen=True)
class TMDC(Trainable):
    """The diffusion classifier with low-rank weights learnt on adversarial images of known class, merged.

    "Struggle with Adversarial Defense? Try Diffusion" (TMDC). `weights` is a file of low-rank weights, as diffusers has
    written them since 2023 or as kohya's scripts do, or the folder of a training run, of which `step` picks a
    checkpoint; `base` is the denoiser that they adapt. The other settings are those of diffusion-classifier.
    """

    revision = "2"
    family = "generative classifiers"
    weights: str | None = None
    step: int | None = None
    base: str | None = None
    loss: Literal["l1", "l2"] = "l1"
    search: Literal["race", "staged", "full"] = "race"
    risk: float = 1e-3
    timesteps: int | None = None
    lowest: int | None = None
    highest: int | None = None
    seen: tuple[int, ...] | None = None
    kept: tuple[int, ...] | None = None
    negligible: float = 0.05
    prompt: str = "a blurry photo of a {class}."
    precision: Literal["auto", "float32", "float16", "bfloat16"] = "auto"
    rows: int | None = None

    def resolve(self, task: Task) -> TMDC:
        """The same classifier with its search spelled out."""
        from defenses.parts.diffusion.search import spelled_out
        from defenses.parts.weights.layout import is_latent

        return replace(self, **spelled_out(self, is_latent(self._base().path(task))))

    def on(self, task: Task, device: Callable[[], str]) -> TMDC:
        """The same classifier with its precision spelled out."""
        from defenses.parts.weights.layout import precision_at

        return replace(self, precision=precision_at(self.precision, self._base().path(task), device))

    def load(self, task: Task, device: str) -> Classifier:
        """The classifier with the low-rank weights merged into its denoiser."""
        from defenses.parts.diffusion.assembly import classifier, denoiser_for

        denoiser = denoiser_for(self._base().path(task), self, task, device, self._lora(task))
        return classifier(denoiser, self, task, device)

    def files(self, task: Task) -> Mapping[str, Path]:
        """The denoiser's files and the low-rank weights."""
        return {**self._base().files(task), "lora": self._lora(task)}

    def passes(self, task: Task) -> float | None:
        """Rows of (class, timestep) an image; a race's differ from image to image."""
        from defenses.parts.diffusion.search import rows_an_image

        return rows_an_image(self, len(task.classes))

    def recipe(self, task: Task) -> TruthRecipe:
        """The published optimiser and schedule; larger steps for tiny images."""
        from defenses.parts.training.truth_maximization import recipe_for

        return recipe_for(task)

    def train(self, run: Training, recipe: TruthRecipe) -> Trained:
        """Learn low-rank weights on the run's adversarial images; checkpoints stay in its folder."""
        from defenses.parts.diffusion.assembly import denoiser_for
        from defenses.parts.training.truth_maximization import learn

        # the optimiser needs full precision, whatever the classifier will run in
        exact = replace(self, precision="float32")
        return learn(run, recipe, NAME, denoiser_for(self._base().path(run.task), exact, run.task, run.device))

    def _base(self) -> DiffusionClassifier:
        return DiffusionClassifier(weights=self.base)

    def _lora(self, task: Task) -> Path:
        from defenses.parts.weights.checkpoints import locate, single_file

        path = locate(NAME, self.weights, task, {}, ("*.safetensors",))
        if self.step is None:
            return path / SAVED if (path / SAVED).is_file() else single_file(path, NAME)
        folder = path if path.is_dir() else path.parent
        file = folder / f"step-{self.step:06d}.safetensors"
        if not file.is_file():
            kept = ", ".join(str(int(found.stem[5:])) for found in sorted(folder.glob("step-*.safetensors")))
            raise WeightsError(f"{folder} keeps no checkpoint of step {self.step}; it keeps {kept or 'none'}.")
        return file
