"""What a repository of the hub holds that is wanted, and how it comes from there or from its cache."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Sequence
from functools import cache
from pathlib import Path

from bench import WeightsError
from defenses.parts.weights.checkpoints import CONFIG, tells_its_shape

HUB_ID = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*(@[\w.-]+)?")
MODELS = {
    "unet": ("diffusion_pytorch_model.safetensors", "config.json"),
    "vae": ("diffusion_pytorch_model.safetensors", "config.json"),
    "text_encoder": ("model.safetensors", "config.json"),
    "scheduler": ("scheduler_config.json",),
    "tokenizer": ("tokenizer_config.json",),
}
"""The files of each model of Stable Diffusion in diffusers' layout, by folder."""
SINGLE_FILES = ("model.safetensors", "diffusion_pytorch_model.safetensors", "pytorch_model.bin")
"""Customary names of a network's one file, the one to prefer first."""


def download(name: str, files: Sequence[str], needed: Sequence[str] = ()) -> Path:
    """The local snapshot of a hub repository ('owner/name' or 'owner/name@revision'), fetched where it is missing.

    What lies complete in the hub's cache is taken from there without asking the hub: a revision never changes, and a
    branch is followed no further than it has been fetched. Of several files with the same weights one is fetched. A
    snapshot without one of the files `needed` is not complete.
    """
    repository, _, revision = name.partition("@")
    found = _cached(repository, revision)
    if found is not None and _is_whole(found, files) and all((found / file).is_file() for file in needed):
        return found
    return _fetched(repository, revision, tuple(files))


@cache
def _fetched(repository: str, revision: str, files: tuple[str, ...]) -> Path:
    """The snapshot as the hub has it now, asked for once in a process; without a network what the cache has of it."""
    from huggingface_hub import HfApi, snapshot_download

    try:  # asked first because a download without a network tries again and again
        listed = HfApi().model_info(repository, revision=revision or None, timeout=10).siblings or ()
        wanted = _wanted({file.rfilename for file in listed}, files)
        return Path(snapshot_download(repository, revision=revision or None, allow_patterns=wanted))
    except Exception as error:  # the hub's client lets its transport's errors through, whatever the transport is
        found = _cached(repository, revision)
        if found is not None:  # who reads it says what it lacks
            return found
        raise WeightsError(
            f"The weights {repository} could not be fetched from the hub ({type(error).__name__}); "
            f"download them where there is a network and give their folder in the place of the name."
        ) from error


def _cached(repository: str, revision: str) -> Path | None:
    """The snapshot in the hub's cache, whole or in part."""
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(repository, revision=revision or None, local_files_only=True))
    except Exception:  # its class has changed from release to release; whatever it is, nothing is there
        return None


def _is_whole(folder: Path, files: Sequence[str]) -> bool:
    """Whether a snapshot surely holds all that is wanted: an interrupted or narrower download leaves a part of it."""
    if any("*" in pattern and "/" not in pattern and not pattern.endswith(".json") for pattern in files):
        return False  # only the hub knows how many there are
    file = next((folder / name for name in SINGLE_FILES if name in files and (folder / name).is_file()), None)
    if file is not None:
        return CONFIG not in files or (folder / CONFIG).is_file() or tells_its_shape(file)
    if not any("/" in pattern for pattern in files):
        return False
    try:
        parts = json.loads((folder / "model_index.json").read_text("utf-8"))
    except (OSError, ValueError):
        parts = MODELS
    words = [folder / "tokenizer" / name for name in ("tokenizer.json", "vocab.json")]
    return all((folder / part / name).is_file() for part in MODELS if part in parts for name in MODELS[part]) and (
        "tokenizer" not in parts or any(file.is_file() for file in words)
    )


def _wanted(names: Collection[str], files: Sequence[str]) -> list[str]:
    """The patterns to fetch from a repository of these files: of a network's one file only the name to prefer."""
    first = next((name for name in SINGLE_FILES if name in files and name in names), None)
    return [pattern for pattern in files if pattern not in SINGLE_FILES or pattern == first]
