"""The nets that adversarial training takes, the standard ones and WRNs: built, stored and loaded by name."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from bench import Network, Task
from defenses.parts.images import normalisation
from defenses.parts.networks import wide_preactivation
from defenses.parts.randomness import ambient
from defenses.parts.training import standard
from defenses.parts.training.standard import FAMILIES

Name = Literal["resnet", "wide-resnet", "vit", "wide-resnet-10-1", "wide-resnet-28-10", "wide-resnet-70-16"]


class Normalised(nn.Module):
    """A network with its images' normalisation before it; what is stored is the network alone."""

    def __init__(self, network: nn.Module, name: Name, task: Task) -> None:
        super().__init__()
        self.network = network
        mean, std = _normalisation(name, task)
        self.mean = nn.Buffer(torch.tensor(mean or 0.0).view(-1, 1, 1), persistent=False)
        self.std = nn.Buffer(torch.tensor(std or 1.0).view(-1, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (N, K) float32 of images (N, C, H, W) in [0, 1]."""
        logits: Tensor = self.network((images - self.mean) / self.std).float()
        return logits


def build(name: Name, task: Task, seed: int, start: Path | None = None) -> Normalised:
    """A network whose first weights come from `seed`, or from a file of weights to start from."""
    with ambient(seed):
        return Normalised(_started(name, task, start) if start else _fresh(name, task), name, task)


def _fresh(name: Name, task: Task) -> nn.Module:
    if name == "vit":
        from defenses.parts.networks import transformer

        return transformer.build(task)
    return wide_preactivation.fresh(name, task) if name in wide_preactivation.SIZES else FAMILIES[name].fresh(task)


def _started(name: Name, task: Task, start: Path) -> nn.Module:
    if name == "vit":
        from defenses.parts.networks import transformer

        return transformer.started(start, task)
    if name in wide_preactivation.SIZES:
        return wide_preactivation.filled(name, start, task)
    return FAMILIES[name].started(start, task)


def store(network: nn.Module, path: Path) -> Path:
    """Write a network's weights as the plain defense of its name reads them; `network` is one that `build` made."""
    from defenses.parts.networks import transformer

    inner = network.get_submodule("network")
    return transformer.store(inner, path) if isinstance(inner, transformer.Transformer) else standard.store(inner, path)


def load(name: Name, path: Path, task: Task, device: str) -> Network:
    """The classifier in a file. Raises `WeightsError` where it holds another network."""
    if name == "vit":
        from defenses.parts.networks import transformer

        return Network(transformer.load(path, task).to(device), *_normalisation(name, task))
    if name in wide_preactivation.SIZES:
        return wide_preactivation.load(name, path, task, device)
    return FAMILIES[name].load(path, task, device)


def _normalisation(name: Name, task: Task) -> tuple[tuple[float, ...] | None, tuple[float, ...] | None]:
    if name == "vit":
        half = (0.5,) * task.shape[0]
        return half, half
    return wide_preactivation.normalisation(task) if name in wide_preactivation.SIZES else normalisation(task)
