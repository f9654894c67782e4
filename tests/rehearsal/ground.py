"""The real path's files in their official formats, small: CIFAR-10's parquet, Stable Diffusion's folders, a hub's
cache."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.datasets.cifar10 import CLASSES
from tests.cli.command import bench
from tests.datasets.written import write_parquet

TRAIN, TEST = 12, 10
COLOURS = np.random.RandomState(1).randint(40, 216, (len(CLASSES), 3))
REVISION = "f5bc1bd97485577aa0b946fa8a9004e2ec147402"
"""Of Stable Diffusion 2.0, as the diffusion classifier pins it."""
HUB = {
    "data": ("datasets--uoft-cs--cifar10", "b" * 40),
    "network": ("models--edadaltocg--resnet50_cifar10", "c" * 40),
    "ddpm": ("models--google--ddpm-cifar10-32", "d" * 40),
    "vit": ("models--nateraw--vit-base-patch16-224-cifar10", "e" * 40),
    "start-resnet": ("models--timm--resnet50.tv_in1k", "f" * 40),
    "start-wide-resnet": ("models--timm--wide_resnet50_2.tv_in1k", "a" * 40),
    "start-vit": (
        "models--timm--vit_base_patch16_224.augreg_in21k_ft_in1k",
        "b5b38b8f7dd93ce67d12e356a8771556b95c8cf9",
    ),
    "diffusion": ("models--sd2-community--stable-diffusion-2-base", REVISION),
}


def cifar10(folder: Path) -> Path:
    """Parquet as the hub has it, of a few images: each class a colour, under noise."""
    random = np.random.RandomState(0)
    for split, count in (("train", TRAIN), ("test", TEST)):
        labels = [number % len(CLASSES) for number in range(count)]
        noise = random.randint(-40, 40, (count, 32, 32, 3))
        pixels = (COLOURS[labels][:, None, None] + noise).astype(np.uint8)
        write_parquet(folder / "plain_text" / f"{split}-00000-of-00001.parquet", labels, pixels)
    return folder


def to_cache(cache: Path, what: str, files: Path) -> None:
    """Put a folder's files into a hub's cache, as a snapshot that its main branch is at."""
    home, revision = cache / HUB[what][0], HUB[what][1]
    shutil.copytree(files, home / "snapshots" / revision)
    (home / "refs").mkdir(exist_ok=True)
    (home / "refs" / "main").write_text(revision)


@contextmanager
def without_network(patch: pytest.MonkeyPatch, cache: Path) -> Iterator[None]:
    """A scope in which this process and those that it starts know one cache, and no host."""
    patch.setenv("HF_HUB_OFFLINE", "1")
    patch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        patch.setenv(name, "http://127.0.0.1:9")
    place = Path(os.environ["HF_HUB_CACHE"])  # which processes knew when they were forked
    place.symlink_to(cache)
    try:
        yield
    finally:
        place.unlink()


def run(*words: str) -> str:
    """What a command prints; it must end well."""
    code, out, err = bench(*words)
    assert code == 0, f"bench {' '.join(words)}\n{out}\n{err}"
    return out


def report(*words: str) -> Any:
    """What a command answers as JSON."""
    return json.loads(run(*words, "--json"))
