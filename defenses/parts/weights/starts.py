"""Weights to start from in place of a fresh network: which file, and what is known of it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from bench import Task, UsageError
from defenses.parts.images import is_tiny
from defenses.parts.weights.places import network_files

WORD = "pretrained"
PACKAGED = "packaged"
PRETRAINED = {
    "resnet": "timm/resnet50.tv_in1k",
    "wide-resnet": "timm/wide_resnet50_2.tv_in1k",
    "vit": "timm/vit_base_patch16_224.augreg_in21k_ft_in1k@b5b38b8f7dd93ce67d12e356a8771556b95c8cf9",
}
"""What `pretrained` stands for: torchvision's own ImageNet weights, and Google's from ImageNet-21k (2106.10270)."""


@dataclass(frozen=True)
class Start:
    """A file of weights, and the SHA-256 of its content."""

    path: Path
    sha256: str


def find(name: str, start: str | None, task: Task) -> Start | None:
    """The weights from which the network of this name starts, if any: `pretrained`, `packaged` (those of the plain net
    that come with bench for this data set), a file, a folder or a hub id.

    Raises `UsageError` where nothing pretrained is known, `WeightsError` where a place holds none.
    """
    if start is None:
        return None
    place = None if start == PACKAGED else start
    if start == WORD:
        if name not in PRETRAINED or is_tiny(task):
            raise UsageError(
                f"No pretrained {name} is known for images of {task.dataset}; pass -T start=FILE, a folder or a hub id."
            )
        place = PRETRAINED[name]
    path = network_files(name, place, task, config=name == "vit")["network"]
    with path.open("rb") as file:
        return Start(path, hashlib.file_digest(file, "sha256").hexdigest())


def sources(start: Start | None) -> dict[str, str]:
    """What a card says of it."""
    return {} if start is None else {"start": start.sha256}
