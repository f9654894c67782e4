"""What defenses of one trained net share: the plain ones, and those trained to withstand attacks; needs no torch."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import ClassVar

from bench import Classifier, Task, Trainable, Trained, Training
from defenses.parts.images import is_tiny
from defenses.parts.training.recipes import ClassifierRecipe, RobustRecipe
from defenses.parts.weights.places import NOWHERE, network_files

DIGITS = ClassifierRecipe(100, 64, "sgd", 0.1, 5e-4, 0, 0.1, 0.998, "affine")
CIFAR = ClassifierRecipe(200, 128, "sgd", 0.1, 5e-4, 0, 0.0, 0.0, "crop-flip")
"""The field's usual hyperparameters of residual networks."""
ROBUST_CIFAR = RobustRecipe(
    epochs=200,
    batch=128,
    learning_rate=0.1,
    weight_decay=5e-4,
    averaging=0.0,
    augmentation="crop-flip",
    epsilon=Fraction("8/255"),
    step_size=Fraction("2/255"),
)
ROBUST_DIGITS = replace(
    ROBUST_CIFAR,
    epochs=120,
    batch=64,
    averaging=0.995,
    augmentation="affine",
    epsilon=Fraction("0.1"),
    step_size=Fraction("0.025"),
    held_out=0.15,
    every=5,
)


class Net(Trainable):
    """One network of a family; `hub` has the hub's ids of published weights by data set."""

    name: ClassVar[str]
    hub: ClassVar[Mapping[str, str]] = NOWHERE
    weights: str | None

    @abstractmethod
    def net(self, task: Task) -> str:
        """The name of the family of its network."""

    @abstractmethod
    def recipe(self, task: Task) -> ClassifierRecipe | RobustRecipe:
        """The default hyperparameters for a task."""

    def fine_tuning(self, task: Task) -> ClassifierRecipe | RobustRecipe:
        """For weights that know other photographs: a tenth of the epochs at a tenth of the rate, which rises first."""
        recipe = self.recipe(task)
        if is_tiny(task):
            return recipe
        epochs, rate = recipe.epochs // 10, recipe.learning_rate / 10
        return replace(recipe, epochs=epochs, learning_rate=rate, warmup=500, clip=1.0)

    def load(self, task: Task, device: str) -> Classifier:
        """The network with its normalisation inside, and batch norm folded."""
        from defenses.parts.networks.families import family

        return family(self.net(task)).load(self.files(task)["network"], task, device)

    def files(self, task: Task) -> Mapping[str, Path]:
        """The one checkpoint, and a transformer's configuration where it lies beside it."""
        return network_files(self.name, self.weights, task, self.hub, config=self.net(task) == "vit")


@dataclass(frozen=True)
class Plain(Net):
    """A network of the family `kind` that learns to classify."""

    kind: ClassVar[str]
    weights: str | None = None

    def net(self, task: Task) -> str:
        """The same for every task."""
        return self.kind

    def recipe(self, task: Task) -> ClassifierRecipe:
        """SGD with momentum and a cosine; 200 epochs on photographs."""
        return DIGITS if is_tiny(task) else CIFAR

    def train(self, run: Training, recipe: ClassifierRecipe) -> Trained:
        """Train from scratch, or from the weights that the recipe starts from."""
        from defenses.parts.training.classification import learn

        return learn(run, recipe, self.name, self.kind)
