"""What the residual defenses share: which network a task gets, how it is loaded and trained."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bench import Network, Task, Trained, Training
from defenses.parts.checkpoints import fill, read
from defenses.parts.classification import CIFAR, DIGITS, ClassifierRecipe, learn
from defenses.parts.randomness import ambient
from defenses.parts.residual import ResidualNet, Shape, fifty_layers, fold_batch_norm, stem_kernel

TINY = 16
"""Images of at most this many pixels a side get a small network."""
CIFAR_MEAN, CIFAR_STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)


@dataclass(frozen=True)
class Family:
    """A residual defense: its name, its shape for tiny images, its bottlenecks' inner width."""

    name: str
    tiny: Shape
    inner: int

    def load(self, path: Path, task: Task, device: str) -> Network:
        """The network with its normalisation inside and batch norm folded."""
        state, _ = read(path)
        kernel = stem_kernel(state["conv1.weight"].shape) if "conv1.weight" in state else 3
        with ambient():
            module = self._build(task, kernel)
        fill(module, state, path)
        return Network(fold_batch_norm(module).to(device), *normalisation(task))

    def recipe(self, task: Task) -> ClassifierRecipe:
        """The field's usual hyperparameters: 200 epochs for photographs, 100 short ones for tiny images."""
        return DIGITS if is_tiny(task) else CIFAR

    def train(self, run: Training, recipe: ClassifierRecipe) -> Trained:
        """Train from scratch."""
        with ambient(run.seed):
            module = self.fresh(run.task)
        return learn(run, recipe, self.name, module, normalisation(run.task))

    def fresh(self, task: Task) -> ResidualNet:
        """A network to be trained; a small image that is not tiny gets the 3x3 stem."""
        return self._build(task, 3 if task.shape[1] <= 64 else 7)

    def _build(self, task: Task, kernel: int) -> ResidualNet:
        shape = self.tiny if is_tiny(task) else fifty_layers(self.inner, kernel)
        return ResidualNet(shape, task.shape[0], len(task.classes))


FAMILIES = {
    "resnet": Family("resnet", Shape(stem=(32, 3, 2), pool=False, stages=((32, 1, 1),)), inner=1),
    "wide-resnet": Family("wide-resnet", Shape(stem=(32, 3, 1), pool=False, stages=((64, 1, 2), (128, 1, 2))), inner=2),
}


def is_tiny(task: Task) -> bool:
    """Whether a task's images are too small for the networks made for photographs."""
    return max(task.shape[1:]) <= TINY


def normalisation(task: Task) -> tuple[tuple[float, ...] | None, tuple[float, ...] | None]:
    """Mean and standard deviation by channel: CIFAR-10's for colour images, none for grey ones."""
    return (CIFAR_MEAN, CIFAR_STD) if task.shape[0] == 3 else (None, None)
