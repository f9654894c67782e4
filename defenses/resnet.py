"""The standard residual networks: ResNet-50 and WideResNet-50-2 for photographs, small ones for tiny images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from bench import Network, Task, Trainable, Trained, Training

if TYPE_CHECKING:
    from defenses.parts.training.classification import ClassifierRecipe
    from defenses.parts.training.standard import Family


@dataclass(frozen=True)
class Residual(Trainable):
    """A residual network of a family; `hub` has the hub's ids of published weights by data set."""

    family = "standard nets"
    name: ClassVar[str]
    hub: ClassVar[Mapping[str, str]] = {}
    weights: str | None = None

    def load(self, task: Task, device: str) -> Network:
        """The network with its normalisation inside and batch norm folded."""
        return self._family().load(self.files(task)["network"], task, device)

    def files(self, task: Task) -> Mapping[str, Path]:
        """The one checkpoint."""
        from defenses.parts.weights.checkpoints import network_file

        return {"network": network_file(self.name, self.weights, task, self.hub)}

    def recipe(self, task: Task) -> ClassifierRecipe:
        """SGD with momentum and a cosine; 200 epochs on photographs."""
        return self._family().recipe(task)

    def fine_tuning(self, task: Task) -> ClassifierRecipe:
        """A tenth of the epochs at a tenth of the rate."""
        return self._family().fine_tuning(task)

    def train(self, run: Training, recipe: ClassifierRecipe) -> Trained:
        """Train from scratch, or from the weights that the recipe starts from."""
        return self._family().train(run, recipe)

    def _family(self) -> Family:
        from defenses.parts.training.standard import FAMILIES

        return FAMILIES[self.name]


@dataclass(frozen=True)
class ResNet(Residual):
    """ResNet-50; on images of at most 16 pixels a small residual network of the same family.

    He et al. 2015, 1512.03385, in torchvision's and timm's parameter names. `weights` is a file, a folder or a hub id
    (default for cifar10: edadaltocg/resnet50_cifar10); the stem, 3x3 without pooling or 7x7, is the one that the
    weights have; weights that were trained on from ImageNet's see their images enlarged to its 224 pixels. Colour
    images are normalised with CIFAR-10's mean and deviation.
    """

    name = "resnet"
    hub = {"cifar10": "edadaltocg/resnet50_cifar10"}


@dataclass(frozen=True)
class WideResNet(Residual):
    """WideResNet-50-2; on images of at most 16 pixels a small, wide residual network.

    Zagoruyko and Komodakis 2016, 1605.07146, in torchvision's parameter names: ResNet-50 whose bottlenecks are twice
    as wide inside. No public CIFAR-10 weights are known: pass `weights` (a file, a folder or a hub id) or train some.
    The stem, 3x3 without pooling or 7x7, is the one that the weights have; weights that were trained on from ImageNet's
    see their images enlarged to its 224 pixels.
    """

    name = "wide-resnet"
