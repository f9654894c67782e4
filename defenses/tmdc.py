"""Truth Maximized Diffusion Classifier: the diffusion classifier adapted to adversarial images of known class."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from bench import Task, Trained, Training, WeightsError
from defenses.diffusion_classifier import DiffusionClassifier
from defenses.parts.diffusion.search import Searched
from defenses.parts.images import is_tiny
from defenses.parts.training.recipes import TruthRecipe
from defenses.parts.weights.places import NOWHERE, locate, single_file

NAME = "tmdc"
SAVED = "pytorch_lora_weights.safetensors"
"""What diffusers calls a file of low-rank weights in the folder that it is told."""
PUBLISHED = TruthRecipe(steps=3000, batch=4, learning_rate=1e-6, evaluated=200, share=0.1)
"""The released code draws its batches from a random tenth of the training images."""
DIGITS = TruthRecipe(steps=500, batch=64, learning_rate=3e-4, evaluated=200)
"""Larger steps for a denoiser of a thousandth of the size."""


@dataclass(frozen=True)
class _Adaptation:
    """The settings that stand before those of the search, as in diffusion-classifier."""

    weights: str | None = None
    step: int | None = None
    base: str | None = None


@dataclass(frozen=True)
class TMDC(Searched, _Adaptation):
    """The diffusion classifier with low-rank weights learnt on adversarial images of known class, merged.

    "Struggle with Adversarial Defense? Try Diffusion" (TMDC). `weights` is a file of low-rank weights, as diffusers has
    written them since 2023 or as kohya's scripts do, or the folder of a training run, of which `step` picks a
    checkpoint; `base` is the denoiser that they adapt. The other settings are those of diffusion-classifier.
    """

    revision = "2"
    family = "generative classifiers"

    def files(self, task: Task) -> Mapping[str, Path]:
        """The denoiser's files and the low-rank weights."""
        return {**self._base().files(task), "lora": self.adaptation(task)}

    def recipe(self, task: Task) -> TruthRecipe:
        """The published optimiser and schedule; larger steps for tiny images."""
        return DIGITS if is_tiny(task) else PUBLISHED

    def train(self, run: Training, recipe: TruthRecipe) -> Trained:
        """Learn low-rank weights on the run's adversarial images; checkpoints stay in its folder."""
        from defenses.parts.diffusion.assembly import denoiser_for
        from defenses.parts.training.truth_maximization import learn

        # the optimiser needs full precision, whatever the classifier will run in
        exact = replace(self, precision="float32")
        return learn(run, recipe, NAME, denoiser_for(self.path(run.task), exact, run.task, run.device))

    def path(self, task: Task) -> Path:
        """The file or folder of the denoiser that is adapted."""
        return self._base().path(task)

    def adaptation(self, task: Task) -> Path:
        """The file of low-rank weights. Raises `WeightsError` where there is none of the wanted step."""
        path = locate(NAME, self.weights, task, NOWHERE, ("*.safetensors",))
        if self.step is None:
            return path / SAVED if (path / SAVED).is_file() else single_file(path, NAME)
        folder = path if path.is_dir() else path.parent
        file = folder / f"step-{self.step:06d}.safetensors"
        if not file.is_file():
            kept = ", ".join(str(int(found.stem[5:])) for found in sorted(folder.glob("step-*.safetensors")))
            raise WeightsError(f"{folder} keeps no checkpoint of step {self.step}; it keeps {kept or 'none'}.")
        return file

    def _base(self) -> DiffusionClassifier:
        return DiffusionClassifier(weights=self.base)
