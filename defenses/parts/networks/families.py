"""The networks that defenses take by name: what all of them can do, and the residual ones."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from torch import nn

from bench import Network, Task
from defenses.parts.images import PHOTOGRAPH, Normalisation, is_tiny, normalisation
from defenses.parts.networks.residual import Enlarged, ResidualNet, Shape, fifty_layers, fold_batch_norm, stem
from defenses.parts.networks.wide_preactivation import SIZES, WideFamily
from defenses.parts.randomness import ambient
from defenses.parts.weights.checkpoints import fill, read, save

if TYPE_CHECKING:
    from torch import Tensor

SIZE = "image_size"


class Family(Protocol):
    """Networks of one kind, of the size that a task's images ask for."""

    def normalisation(self, task: Task) -> Normalisation:
        """Mean and standard deviation by channel of the images that such a network reads."""

    def fresh(self, task: Task) -> nn.Module:
        """A network to be trained."""

    def started(self, path: Path, task: Task) -> nn.Module:
        """The network in a file to be trained further. Raises `WeightsError` where it is of another architecture."""

    def store(self, module: nn.Module, path: Path) -> Path:
        """Write a network's weights as `load` reads them."""

    def load(self, path: Path, task: Task, device: str) -> Network:
        """The classifier in a file, its normalisation inside. Raises `WeightsError` where it holds another network."""


def family(name: str) -> Family:
    """The networks of a name: a plain net's, or WideResNet-depth-width."""
    if name == "vit":
        from defenses.parts.networks.transformer import TransformerFamily  # transformers takes seconds to import

        return TransformerFamily()
    return WideFamily(name) if name in SIZES else FAMILIES[name]


@dataclass(frozen=True)
class ResidualFamily:
    """Residual networks: their shape for tiny images, and their bottlenecks' inner width."""

    tiny: Shape
    inner: int

    def normalisation(self, task: Task) -> Normalisation:
        """CIFAR-10's for colour images."""
        return normalisation(task)

    def load(self, path: Path, task: Task, device: str) -> Network:
        """The network with its normalisation inside and batch norm folded."""
        state, metadata = read(path)
        with ambient():
            module = self._like(state, task)
        fill(module, state, path)
        size = _size(metadata)
        folded = fold_batch_norm(module)
        return Network((folded if size is None else Enlarged(folded, size)).to(device), *normalisation(task))

    def fresh(self, task: Task) -> ResidualNet:
        """A network to be trained; a small image that is not tiny gets the 3x3 stem."""
        return self._build(task, 3 if task.shape[1] <= 64 else 7)

    def started(self, path: Path, task: Task) -> nn.Module:
        """The network in a file to be trained further, as torchvision or timm name its weights.

        Its head is a new one of zeros where it knows another number of classes. Where its stem strides and pools,
        images smaller than a photograph are enlarged to one. Raises `WeightsError` where it is of another architecture.
        """
        state, metadata = read(path)
        module = self._like(state, task)
        for key, value in module.state_dict().items():
            head = key.startswith("fc.") and key in state and state[key].shape != value.shape
            if head or key.endswith("num_batches_tracked"):  # torchvision's older files do not count
                state[key] = value.new_zeros(value.shape)
        fill(module, state, path)
        size = _size(metadata)
        if size is None and isinstance(module.maxpool, nn.MaxPool2d) and max(task.shape[1:]) < PHOTOGRAPH:
            size = PHOTOGRAPH
        return module if size is None else Enlarged(module, size)

    def store(self, module: nn.Module, path: Path) -> Path:
        """Write a network's weights, with the size in which it sees its images where that is its own."""
        if isinstance(module, Enlarged):
            return save(path, module.network.state_dict(), {"config": json.dumps({SIZE: module.size})})
        return save(path, module.state_dict())

    def _like(self, state: Mapping[str, Tensor], task: Task) -> ResidualNet:
        """A network with the stem that these weights have."""
        return self._build(task, *(stem(state["conv1.weight"].shape) if "conv1.weight" in state else (3, 64)))

    def _build(self, task: Task, kernel: int, width: int = 64) -> ResidualNet:
        shape = self.tiny if is_tiny(task) else fifty_layers(self.inner, kernel, width)
        return ResidualNet(shape, task.shape[0], len(task.classes))


FAMILIES = {
    "resnet": ResidualFamily(Shape(stem=(32, 3, 2), pool=False, stages=((32, 1, 1),)), inner=1),
    "wide-resnet": ResidualFamily(Shape(stem=(32, 3, 1), pool=False, stages=((64, 1, 2), (128, 1, 2))), inner=2),
}


def _size(metadata: Mapping[str, str]) -> int | None:
    """The size that a file of `store` says; None where images stay as they are."""
    found: int | None = json.loads(metadata.get("config", "{}")).get(SIZE)
    return found
