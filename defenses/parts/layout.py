"""Where a diffusion classifier's files lie: one pixel denoiser, or Stable Diffusion's folders."""

from __future__ import annotations

from pathlib import Path

from bench import WeightsError
from defenses.parts.checkpoints import SINGLE_FILES, single_file

PATTERNS = (
    "*.json",
    "*/*.json",
    "*/*.txt",
    "*/diffusion_pytorch_model.safetensors",
    "*/model.safetensors",
    *SINGLE_FILES,
)
"""What to fetch from a hub repository: configurations, tokenizer, full-precision safetensors."""

MODELS = {
    "unet": ("diffusion_pytorch_model.safetensors", "config.json"),
    "vae": ("diffusion_pytorch_model.safetensors", "config.json"),
    "text_encoder": ("model.safetensors", "config.json"),
    "scheduler": ("scheduler_config.json",),
    "tokenizer": ("tokenizer_config.json",),
}


def is_latent(path: Path) -> bool:
    """Whether a folder holds Stable Diffusion (a denoiser and the autoencoder of its latents)."""
    return (path / "unet").is_dir() and (path / "vae").is_dir()


def files(path: Path, defense: str) -> dict[str, Path]:
    """Every file that loading reads, by role; `WeightsError` names the first one missing."""
    if not is_latent(path):
        return {"denoiser": _pixel_file(path, defense)}
    found: dict[str, Path] = {}
    for folder, names in MODELS.items():
        for name in names:
            if not (path / folder / name).is_file():
                raise WeightsError(
                    f"{path} is no complete Stable Diffusion in diffusers' layout: {folder}/{name} is missing."
                )
            found[f"{folder}/{name}"] = path / folder / name
    for file in sorted((path / "tokenizer").iterdir()):
        found[f"tokenizer/{file.name}"] = file
    return found


def denoiser_files(path: Path, defense: str) -> dict[str, Path]:
    """The file of a pixel denoiser and the configurations that diffusers keeps beside it, by role."""
    file = _pixel_file(path, defense)
    beside = {"config": file.with_name("config.json"), "schedule": file.with_name("scheduler_config.json")}
    if not beside["schedule"].is_file():
        beside["schedule"] = file.parent.parent / "scheduler" / "scheduler_config.json"
    return {"denoiser": file} | {role: found for role, found in beside.items() if found.is_file()}


def _pixel_file(path: Path, defense: str) -> Path:
    return single_file(path / "unet" if (path / "unet").is_dir() else path, defense)
