"""A defense under test, before and after it is loaded."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from bench.domain.dataset import Task
from bench.domain.defense import Classifier, Defense
from bench.domain.queries.asking import ask
from bench.domain.queries.victim import Victim
from bench.testing.generators import generator


@dataclass(frozen=True)
class Recipe:
    """A defense before it is loaded."""

    reference: str
    plugin: Defense
    task: Task
    device: str


@dataclass(frozen=True)
class Loaded:
    """A classifier and images (N, C, H, W) to show it."""

    recipe: Recipe
    classifier: Classifier
    images: Tensor

    def logits(self, images: Tensor, seed: int = 0) -> Tensor:
        """The classifier's answer to a copy of the images, asked as everybody asks, under a generator of this seed."""
        return ask(self.classifier, images.clone(), generator(seed, self.recipe.device)).detach()

    def victim(self) -> Victim:
        """The classifier as an attack sees it, under noise that is always the same."""
        return Victim(self.classifier, generator(0, self.recipe.device))
