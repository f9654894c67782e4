"""From a diffusion defense's settings to its classifier: which backend, which search, how many rows at once."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import torch

from bench import Task, UsageError
from defenses.parts.denoiser import Denoiser
from defenses.parts.elimination import DiffusionClassification, Search
from defenses.parts.layout import files, is_latent
from defenses.parts.memory import chunks_for

PIXEL_SEARCH = Search(30, 0, 300, (6, 30), (3, 1), "l1")
LATENT_SEARCH = Search(500, 0, 1000, (50, 500), (5, 1), "l1")
DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


class Settings(Protocol):
    """The settings that all diffusion defenses have."""

    @property
    def loss(self) -> str: ...
    @property
    def timesteps(self) -> int | None: ...
    @property
    def lowest(self) -> int | None: ...
    @property
    def highest(self) -> int | None: ...
    @property
    def seen(self) -> tuple[int, ...] | None: ...
    @property
    def kept(self) -> tuple[int, ...] | None: ...
    @property
    def prompt(self) -> str: ...
    @property
    def precision(self) -> str: ...
    @property
    def rows(self) -> int | None: ...


def denoiser_for(path: Path, settings: Settings, task: Task, device: str) -> Denoiser:
    """The denoiser at a path: Stable Diffusion where its folders are there, else a pixel denoiser."""
    found = files(path, "diffusion-classifier")
    if is_latent(path):
        from defenses.parts import latents

        half = device.startswith("cuda") and settings.precision == "auto"
        dtype = torch.float16 if half else DTYPES.get(settings.precision, torch.float32)
        return latents.load(path, task, device, dtype, settings.prompt)
    from defenses.parts import pixels

    return pixels.load(found["denoiser"], task, device, DTYPES.get(settings.precision, torch.float32))


def classifier(denoiser: Denoiser, settings: Settings, task: Task, device: str) -> DiffusionClassification:
    """The denoiser as a classifier of a task's images. Raises `UsageError` for a search that does not fit."""
    search = search_for(settings, PIXEL_SEARCH if denoiser.pixels else LATENT_SEARCH)
    if search.highest > len(denoiser.schedule):
        raise UsageError(f"The denoiser knows timesteps below {len(denoiser.schedule)}; highest is {search.highest}.")
    if settings.rows is not None and settings.rows < 1:
        raise UsageError(f"rows must be at least 1; got {settings.rows}.")
    chunks = chunks_for(denoiser, task, device, settings.rows)
    return DiffusionClassification(denoiser, search, len(task.classes), chunks)


def search_for(settings: Settings, default: Search) -> Search:
    """The search that the settings describe; a `timesteps` without stages is looked at in one stage."""
    timesteps = default.timesteps if settings.timesteps is None else settings.timesteps
    unstaged = timesteps != default.timesteps
    seen, kept = ((timesteps,), (1,)) if unstaged else (default.seen, default.kept)
    return Search(
        timesteps,
        default.lowest if settings.lowest is None else settings.lowest,
        default.highest if settings.highest is None else settings.highest,
        seen if settings.seen is None else settings.seen,
        kept if settings.kept is None else settings.kept,
        settings.loss,
    )
