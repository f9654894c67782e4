"""JEM: a classifier that is a density model of its images as well."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bench import Classifier, Task, Trainable, Trained, Training, UsageError
from defenses.parts.images import is_tiny
from defenses.parts.training.recipes import EnergyRecipe
from defenses.parts.weights.places import network_files

NAME = "jem"
DIGITS = EnergyRecipe(10, 1, 1500, 64, 2e-3, 100, 0.998, "affine", chain=10, buffer=1000, penalty=0.01, clip=1.0)
CIFAR = EnergyRecipe(28, 10, 117_000, 64, 1e-4, 1000, 0.0, "crop-flip")


@dataclass(frozen=True)
class JEM(Trainable):
    """A wide residual network whose logits are also a density, trained against its own Langevin samples.

    Grathwohl et al. 2020, 1912.03263: WRN-28-10 without normalisation, LeakyReLU 0.2, images in [-1, 1]; a WRN-10-1 for
    tiny images. `weights` is a file of `bench train`, or a released checkpoint (`CIFAR10_MODEL.pt`), whose depth and
    width are read from it. `refine` Langevin steps, each `size` times the slope of the log density plus noise of
    deviation `spread` in [-1, 1], come before classifying (JEM-k, 0 by default); their gradient is not tracked, as
    in the released code.
    """

    family = "generative classifiers"
    weights: str | None = None
    refine: int = 0
    size: float = 1.0
    spread: float = 0.01

    def load(self, task: Task, device: str) -> Classifier:
        """The classifier, with `log_density(images)` beside its logits."""
        from defenses.parts.networks.energy import EnergyClassifier, load

        if self.refine < 0:
            raise UsageError(f"refine must be 0 or more; got {self.refine}.")
        network = load(self.files(task)["network"], task, device)
        return EnergyClassifier(network, self.refine, self.size, self.spread)

    def files(self, task: Task) -> Mapping[str, Path]:
        """The one checkpoint."""
        return network_files(NAME, self.weights, task)

    def recipe(self, task: Task) -> EnergyRecipe:
        """The published hyperparameters on photographs; chains of 10 steps, a buffer of 1000 for tiny images."""
        return DIGITS if is_tiny(task) else CIFAR

    def train(self, run: Training, recipe: EnergyRecipe) -> Trained:
        """Train from scratch."""
        from defenses.parts.training.energy_training import learn

        return learn(run, recipe, NAME)
