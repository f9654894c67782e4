"""JEM: a classifier that is a density model of its images as well."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench import Classifier, Task, Trainable, Trained, Training, UsageError

if TYPE_CHECKING:
    from defenses.parts.training.energy_training import EnergyRecipe

NAME = "jem"


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
        from defenses.parts.weights.checkpoints import network_file

        return {"network": network_file(NAME, self.weights, task, {})}

    def recipe(self, task: Task) -> EnergyRecipe:
        """The published hyperparameters on photographs; chains of 10 steps, a buffer of 1000 for tiny images."""
        from defenses.parts.training.energy_training import recipe_for

        return recipe_for(task)

    def train(self, run: Training, recipe: EnergyRecipe) -> Trained:
        """Train from scratch."""
        from defenses.parts.training.energy_training import learn

        return learn(run, recipe, NAME)
