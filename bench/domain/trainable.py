"""A defense that learns: what a training run is given, and what it gives."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.domain.defense import Defense, Watch
from bench.domain.errors import Control

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from bench.domain.dataset import Batch, ImageSet, Task


class EndTraining(Control):
    """Raised by a watch where a training is to end with what it has, as one does whose steps are only timed.

    A loop that catches it goes on to write its weights; from another it passes through.
    """


@dataclass(frozen=True)
class Training:
    """What a training run is given.

    `data` are the training images; `folder` receives checkpoints, weights and card, and holds those of an
    interrupted run; `adversarial(indices)` gives these training images, on the CPU, as the protocol's attack perturbs
    them on its source, crafted when they are first asked for; `origin` stands for the data and how they are perturbed:
    a checkpoint of another origin is not one of this run.
    """

    task: Task
    data: ImageSet
    device: str
    seed: int
    folder: Path
    watch: Watch
    adversarial: Callable[[Sequence[int]], Batch]
    origin: str = ""


@dataclass(frozen=True)
class Trained:
    """What a training run gives: the weights' file and figures worth keeping (proportions, losses, seconds).

    `measure` gives further figures; it is called once weights and card are safe on disk, so that it can cost neither.
    `sources` are the SHA-256 of the files that the weights come from, by role: what a recipe's settings point to.
    """

    weights: Path
    metrics: Mapping[str, float]
    measure: Callable[[], Mapping[str, float]] | None = None
    sources: Mapping[str, str] = field(default_factory=dict)


class Trainable(Defense):
    """A defense that can be trained by `bench train`."""

    @abstractmethod
    def recipe(self, task: Task) -> Any:
        """The default hyperparameters for a task, as a frozen dataclass; `bench train -T key=value` replaces fields."""

    def fine_tuning(self, task: Task) -> Any:
        """The default hyperparameters where the weights that a recipe calls its `start` are given: by default the
        same."""
        return self.recipe(task)

    @abstractmethod
    def train(self, run: Training, recipe: Any) -> Trained:
        """Train from scratch or from the last checkpoint in `run.folder`; equal seeds give equal weights."""


class Generative(Defense):
    """A defense whose model can draw images of a class."""

    @abstractmethod
    def sample(self, task: Task, device: str, labels: Tensor, steps: int, rng: Generator, watch: Watch) -> Tensor:
        """Images (N, C, H, W) in [0, 1] of these classes (N,), drawn in `steps` steps."""
