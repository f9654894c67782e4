"""From where a denoiser lies to the denoiser: which backend, which type."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import torch

from bench import Task
from defenses.parts.diffusion.denoiser import Denoiser
from defenses.parts.weights.layout import Precision, files, is_latent, precision_at


class Settings(Protocol):
    """The type that the network computes in, and what a text encoder is told of a class."""

    @property
    def precision(self) -> Precision: ...
    @property
    def prompt(self) -> str: ...


def denoiser_for(path: Path, settings: Settings, task: Task, device: str, adaptation: Path | None = None) -> Denoiser:
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


def in_pixels(file: Path, precision: Precision, task: Task, device: str, *, conditional: bool) -> Denoiser:
    """The pixel denoiser in a file, one that looks at classes or at none, settled."""
    from defenses.parts.diffusion import pixels

    return pixels.load(file, task, device, type_for(precision, None, device), conditional).settled()
