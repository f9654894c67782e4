"""What the residual defenses share: which network a task gets, how it is loaded and trained."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from torch import nn

from bench import Network, Task, Trained, Training
from defenses.parts.images import PHOTOGRAPH, is_tiny, normalisation
from defenses.parts.networks.residual import Enlarged, ResidualNet, Shape, fifty_layers, fold_batch_norm, stem
from defenses.parts.randomness import ambient
from defenses.parts.training.classification import CIFAR, DIGITS, ClassifierRecipe, learn
from defenses.parts.weights import starts
from defenses.parts.weights.checkpoints import fill, read, save

if TYPE_CHECKING:
    from torch import Tensor

FINE_TUNING = ClassifierRecipe(20, 128, "sgd", 0.01, 5e-4, 500, 0.0, 0.0, "crop-flip", clip=1.0)
"""For weights that know other photographs: a tenth of the epochs at a tenth of the rate, which rises first."""
SIZE = "image_size"


@dataclass(frozen=True)
class Family:
    """A residual defense: its name, its shape for tiny images, its bottlenecks' inner width, and whose pretrained
    weights it may start from."""

    name: str
    tiny: Shape
    inner: int
    kin: str = "resnet"

    def load(self, path: Path, task: Task, device: str) -> Network:
        """The network with its normalisation inside and batch norm folded."""
        state, metadata = read(path)
        with ambient():
            module = self._like(state, task)
        fill(module, state, path)
        size = _size(metadata)
        folded = fold_batch_norm(module)
        return Network((folded if size is None else Enlarged(folded, size)).to(device), *normalisation(task))

    def recipe(self, task: Task) -> ClassifierRecipe:
        """The field's usual hyperparameters: 200 epochs for photographs, 100 short ones for tiny images."""
        return DIGITS if is_tiny(task) else CIFAR

    def fine_tuning(self, task: Task) -> ClassifierRecipe:
        """Those for weights to start from."""
        return DIGITS if is_tiny(task) else FINE_TUNING

    def train(self, run: Training, recipe: ClassifierRecipe) -> Trained:
        """Train from scratch, or from the weights that the recipe starts from."""
        start = starts.find(self.kin, recipe.start, run.task)
        with ambient(run.seed):
            module = self.fresh(run.task) if start is None else self.started(start.path, run.task)
        return learn(run, recipe, self.name, module, normalisation(run.task), store, start)

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

    def _like(self, state: Mapping[str, Tensor], task: Task) -> ResidualNet:
        """A network with the stem that these weights have."""
        return self._build(task, *(stem(state["conv1.weight"].shape) if "conv1.weight" in state else (3, 64)))

    def _build(self, task: Task, kernel: int, width: int = 64) -> ResidualNet:
        shape = self.tiny if is_tiny(task) else fifty_layers(self.inner, kernel, width)
        return ResidualNet(shape, task.shape[0], len(task.classes))


FAMILIES = {
    "resnet": Family("resnet", Shape(stem=(32, 3, 2), pool=False, stages=((32, 1, 1),)), inner=1),
    "wide-resnet": Family(
        "wide-resnet",
        Shape(stem=(32, 3, 1), pool=False, stages=((64, 1, 2), (128, 1, 2))),
        inner=2,
        kin="wide-resnet",
    ),
}


def store(module: nn.Module, path: Path) -> Path:
    """Write a network's weights, with the size in which it sees its images where that is its own."""
    if isinstance(module, Enlarged):
        return save(path, module.network.state_dict(), {"config": json.dumps({SIZE: module.size})})
    return save(path, module.state_dict())


def _size(metadata: Mapping[str, str]) -> int | None:
    """The size that a file of `store` says; None where images stay as they are."""
    found: int | None = json.loads(metadata.get("config", "{}")).get(SIZE)
    return found
