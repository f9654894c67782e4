"""Where a diffusion classifier's files lie: one pixel denoiser, or Stable Diffusion's folders."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

from bench import Task, WeightsError
from defenses.parts.weights.checkpoints import CONFIG, configuration, metadata_of
from defenses.parts.weights.hub import MODELS, SINGLE_FILES
from defenses.parts.weights.places import locate, single_file

Precision = Literal["auto", "float32", "float16", "bfloat16"]

PATTERNS = (
    "*.json",
    "*/*.json",
    "*/*.txt",
    "*/diffusion_pytorch_model.safetensors",
    "*/model.safetensors",
    *SINGLE_FILES,
)
"""What to fetch from a hub repository: configurations, tokenizer, full-precision safetensors."""
UNCONDITIONAL = "diffpure"
DDPM = {"cifar10": "google/ddpm-cifar10-32"}
"""Whose weights an unconditional denoiser's are, and their ids on the hub by data set."""


def is_latent(path: Path) -> bool:
    """Whether a folder holds Stable Diffusion (a denoiser and the autoencoder of its latents)."""
    return (path / "unet").is_dir() and (path / "vae").is_dir()


def precision_at(wanted: Precision, path: Path | None, device: Callable[[], str]) -> Precision:
    """What 'auto' stands for: float16 for Stable Diffusion on CUDA, else float32; `path` is None for denoisers that are
    in pixel space whatever their file."""
    if wanted != "auto":
        return wanted
    return "float16" if path is not None and is_latent(path) and device().startswith("cuda") else "float32"


def files(path: Path, defense: str) -> dict[str, Path]:
    """Every file that loading reads, by role; `WeightsError` names the first one missing."""
    if not is_latent(path):
        return denoiser_files(path, defense)
    found: dict[str, Path] = {}
    for folder, names in MODELS.items():
        for name in names:
            if not (path / folder / name).is_file():
                raise WeightsError(
                    f"{path} is no complete Stable Diffusion in diffusers' layout: {folder}/{name} is missing."
                )
            found[f"{folder}/{name}"] = path / folder / name
    for file in sorted(file for file in (path / "tokenizer").iterdir() if file.is_file()):
        found[f"tokenizer/{file.name}"] = file
    return found


def denoiser_files(path: Path, defense: str) -> dict[str, Path]:
    """The file of a pixel denoiser, and the configurations beside it that it does not hold itself, by role."""
    file = single_file(path / "unet" if (path / "unet").is_dir() else path, defense)
    found, metadata = {"denoiser": file}, metadata_of(file)
    if "config" not in metadata:
        found["config"] = file.with_name(CONFIG)
    try:
        embedded = configuration(file, metadata)
    except WeightsError:  # loading will say so
        embedded = {}
    schedule = None if embedded.get("schedule") else schedule_file(file)
    if schedule is not None:
        found["schedule"] = schedule
    return {role: place for role, place in found.items() if place == file or place.is_file()}


def unconditional_files(weights: str | None, task: Task) -> dict[str, Path]:
    """The files of a denoiser that looks at no class: the given one, else diffpure's."""
    return denoiser_files(locate(UNCONDITIONAL, weights, task, DDPM, PATTERNS), UNCONDITIONAL)


def schedule_file(file: Path) -> Path | None:
    """The schedule beside a denoiser in diffusers' layout, or in the folder beside its own."""
    beside = (file.with_name("scheduler_config.json"), file.parent.parent / "scheduler" / "scheduler_config.json")
    return next((place for place in beside if place.is_file()), None)
