"""From a diffusion defense's settings to its classifier: which backend, which search, how many rows at once."""

from __future__ import annotations

from pathlib import Path

import torch

from bench import Task, UsageError
from defenses.parts.diffusion.denoiser import Denoiser
from defenses.parts.diffusion.diffusion_classification import DiffusionClassification, Grid
from defenses.parts.diffusion.memory import chunks_for
from defenses.parts.diffusion.search import Searched, search_for
from defenses.parts.weights.layout import Precision, files, is_latent, precision_at


def denoiser_for(path: Path, settings: Searched, task: Task, device: str, adaptation: Path | None = None) -> Denoiser:
    """The denoiser at a path: Stable Diffusion where its folders are there, else a pixel denoiser; with the low-rank
    weights of a file merged into it where there is one."""
    found = files(path, "diffusion-classifier")
    dtype = type_for(settings.precision, path, device)
    if is_latent(path):
        from defenses.parts.diffusion import latents

        return latents.load(path, task, device, dtype, settings.prompt, adaptation)
    from defenses.parts.diffusion import pixels

    return pixels.load(found["denoiser"], task, device, dtype, adaptation=adaptation)


def type_for(precision: Precision, path: Path | None, device: str) -> torch.dtype:
    """The type that a denoiser's network computes in; `path` as in `precision_at`."""
    found: torch.dtype = getattr(torch, precision_at(precision, path, lambda: device))
    return found


def in_pixels(file: Path, precision: Precision, task: Task, device: str, conditional: bool = False) -> Denoiser:
    """The pixel denoiser in a file, by default one that looks at no class."""
    from defenses.parts.diffusion import pixels

    return pixels.load(file, task, device, type_for(precision, None, device), conditional)


def classifier(denoiser: Denoiser, settings: Searched, task: Task, device: str) -> DiffusionClassification:
    """The denoiser as a classifier of a task's images. Raises `UsageError` for a search that does not fit."""
    search = search_for(settings, latent=not denoiser.pixels)
    if search.highest > len(denoiser.schedule):
        raise UsageError(f"The denoiser knows timesteps below {len(denoiser.schedule)}; highest is {search.highest}.")
    chunks = chunks_for(denoiser, task, device, settings.rows)
    grid = Grid.even(search.grid(), search.loss)
    return DiffusionClassification(denoiser, grid, search.elimination, len(task.classes), chunks, settings.negligible)
