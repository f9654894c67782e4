"""How the peers' libraries are asked for images, each as its own manual has it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from bench import Batch, Classifier, ThreatModel

# A library's attack: the library, model, samples, budget and seed to images.
Attack = Callable[[Any, nn.Module, Batch, ThreatModel, int], Tensor]
Bound = Callable[[nn.Module, Batch, ThreatModel, int], Tensor]


class Plain(nn.Module):
    """A classifier as the plain module that libraries take."""

    def __init__(self, classifier: Classifier) -> None:
        super().__init__()
        self.classifier = classifier
        self.generator = torch.Generator()
        self.place = nn.Parameter(torch.zeros(()), requires_grad=False)  # by which libraries find the device

    def forward(self, images: Tensor) -> Tensor:
        """Logits (N, K) of images (N, C, H, W)."""
        return self.classifier(images, self.generator)


def pyautoattack(*names: str, batch_size: int | None = None) -> Attack:
    """Parts of pyautoattack's standard AutoAttack, all of them where none is named; batches are the samples' own."""

    def run(library: Any, model: nn.Module, batch: Batch, threat: ThreatModel, seed: int) -> Tensor:
        adversary = library.AutoAttack(model, norm=threat.norm.capitalize(), eps=threat.radius, seed=seed)
        adversary.attacks_to_run = list(names) or adversary.attacks_to_run
        size = batch_size or len(batch)
        images: Tensor = adversary.run_standard_evaluation(batch.images, batch.labels, batch_size=size)[0]
        return images

    return run


def torchattacks(name: str, budget: str = "eps", **settings: Any) -> Attack:
    """An attack of torchattacks, whose setting `budget` is epsilon."""

    def run(library: Any, model: nn.Module, batch: Batch, threat: ThreatModel, seed: int) -> Tensor:
        epsilon = {budget: int(threat.epsilon) if budget == "pixels" else threat.radius}
        images: Tensor = getattr(library, name)(model, **epsilon, **settings)(batch.images, batch.labels)
        return images

    return run


def foolbox(name: str, **settings: Any) -> Attack:
    """An attack of foolbox."""

    def run(library: Any, model: nn.Module, batch: Batch, threat: ThreatModel, seed: int) -> Tensor:
        attack = getattr(library.attacks, name)(**settings)
        epsilon = None if isinstance(attack, library.attacks.base.MinimizationAttack) else threat.radius
        found = attack(library.PyTorchModel(model, bounds=(0, 1)), batch.images, batch.labels, epsilons=epsilon)
        images: Tensor = found[1]
        return images

    return run


def adversarial_library(name: str, **settings: Any) -> Attack:
    """A function of adversarial-library, which is given no budget."""

    def run(library: Any, model: nn.Module, batch: Batch, threat: ThreatModel, seed: int) -> Tensor:
        images: Tensor = getattr(library, name)(model, batch.images, batch.labels, **settings)
        return images

    return run
