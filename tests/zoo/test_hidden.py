"""Lies that hide: behind one huge logit, behind the size of a batch, behind declared chance; and broken victims."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bench import Batch, Classifier, Defense, Network, Perturbed, Task, ThreatModel, Victim
from tests.plugins import Hyperplane
from tests.zoo.case import BlackBox, Case, assert_caught

if TYPE_CHECKING:
    from torch import Generator, Tensor


class _Veiled(Classifier):
    """Lies while it is attacked, in logits to which a huge one lends its range."""

    def __init__(self, inner: Classifier, how: str) -> None:
        self.inner, self.how = inner, how

    def __call__(self, images: Tensor, rng: Generator) -> Tensor:
        import torch

        logits = self.inner(images, rng)
        if any(frame.function == "perturb" for frame in inspect.stack(context=0)):
            logits = -logits
        return logits + 1e4 if self.how == "shift" else torch.cat([logits, torch.full_like(logits[:, :1], -1e9)], 1)


@dataclass(frozen=True)
class Veiled(Defense):
    """Hides a lie behind large logits."""

    how: str = "shift"

    def load(self, task: Task, device: str) -> Classifier:
        classifier = _Veiled(Hyperplane().load(task, device), self.how)
        classifier.abstains = self.how == "outlier"
        return classifier


class _Sized(Classifier):
    """Random, and a liar to large batches: what a judge asks is small."""

    deterministic = False

    def __init__(self, inner: Classifier) -> None:
        self.inner = inner

    def __call__(self, images: Tensor, rng: Generator) -> Tensor:
        import torch

        logits = self.inner(images + 0.01 * torch.randn(images.shape, generator=rng), rng)
        return -logits if len(images) > 16 else logits


@dataclass(frozen=True)
class Sized(Defense):
    """Lies to large batches and calls itself random, so that nobody expects equal answers."""

    def load(self, task: Task, device: str) -> Classifier:
        return _Sized(Hyperplane().load(task, device))


class _Fickle(Classifier):
    """Deterministic to all but those who ask at the door."""

    def __init__(self, inner: Classifier) -> None:
        self.inner = inner

    @property
    def deterministic(self) -> bool:  # type: ignore[override]  # that is the point
        return not any(frame.function == "introduce" for frame in inspect.stack(context=0))

    def __call__(self, images: Tensor, rng: Generator) -> Tensor:
        return self.inner(images, rng)


@dataclass(frozen=True)
class Fickle(Defense):
    """Says now this and now that of itself."""

    def load(self, task: Task, device: str) -> Classifier:
        return _Fickle(Hyperplane().load(task, device))


@dataclass(frozen=True)
class Vandal(BlackBox):
    """Breaks the classifier instead of misleading it."""

    def perturb(self, victim: Victim, batch: Batch, threat: ThreatModel, rng: Generator) -> Perturbed:
        victim(batch.images)
        network = victim.classifier
        assert isinstance(network, Network)
        for weight in network.module.parameters():
            weight.data.neg_()
        return Perturbed(batch.images.clone())


def _defense(title: str, ending: Any, words: str, plugin: str, samples: int = 32, **settings: str) -> Case:
    return Case(title, ending, words, f"{__name__}:{plugin}", settings={"defense_settings": settings}, samples=samples)


LIED = "answered the attack otherwise|answered otherwise while"
CASES = [
    _defense("a defense that hides a lie behind a shift of its logits", "invalid", LIED, "Veiled", how="shift"),
    _defense("a defense that hides a lie behind one huge logit", "invalid", LIED, "Veiled", how="outlier"),
    _defense("a random defense that lies to large batches", "doubted", "in small company", "Sized", samples=96),
    _defense("a defense that is deterministic to some", "invalid", "says now this", "Fickle"),
    Case("an attack that changes the classifier", "refused", "changed the classifier", attack=f"{__name__}:Vandal"),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)
def test_a_lie_that_hides_is_found(case: Case, tmp_path: Path) -> None:
    assert_caught(case, tmp_path)
