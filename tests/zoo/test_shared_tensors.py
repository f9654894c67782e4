"""Plugins that write into what they are given, or give what is not theirs."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bench import Batch, Classifier, Defense, Perturbed, Task, ThreatModel, Victim
from tests.plugins import Hyperplane
from tests.zoo.case import BlackBox, Case, assert_caught

if TYPE_CHECKING:
    from torch import Generator, Tensor


@dataclass(frozen=True)
class Writer(BlackBox):
    """Changes its arguments instead of attacking."""

    what: str = "images"

    def perturb(self, victim: Victim, batch: Batch, threat: ThreatModel, rng: Generator) -> Perturbed:
        if self.what == "images":
            batch.images.copy_(1 - batch.images)
        else:
            batch.labels.copy_(1 - batch.labels)
        return Perturbed(batch.images)


@dataclass(frozen=True)
class Later(BlackBox):
    """Gives its argument's own storage, and goes on writing into it."""

    def perturb(self, victim: Victim, batch: Batch, threat: ThreatModel, rng: Generator) -> Perturbed:
        def write() -> None:
            time.sleep(0.05)
            batch.images.zero_()

        threading.Thread(target=write).start()
        return Perturbed(batch.images)


@dataclass(frozen=True)
class Misplaced(BlackBox):
    """Gives every sample its neighbour's image."""

    def perturb(self, victim: Victim, batch: Batch, threat: ThreatModel, rng: Generator) -> Perturbed:
        return Perturbed(batch.images.roll(1, 0))


@dataclass(frozen=True)
class Odd(BlackBox):
    """Gives what is no proposal."""

    how: str = "list"

    def perturb(self, victim: Victim, batch: Batch, threat: ThreatModel, rng: Generator) -> Any:
        if self.how == "list":
            return Perturbed(batch.images.tolist())  # type: ignore[arg-type]  # that is the point
        if self.how == "tensor":
            return batch.images.clone()
        if self.how == "certificate":
            return Perturbed(batch.images, certificate=1.0)  # type: ignore[call-arg]  # that is the point
        return Perturbed(batch.images.clone(), broken_at=batch.images[:, 0, 0, 0])


class _Overwriting(Classifier):
    def __init__(self, inner: Classifier) -> None:
        self.inner = inner

    def __call__(self, images: Tensor, rng: Generator) -> Tensor:
        logits = self.inner(images.clone(), rng)
        images.detach().fill_(0.5)
        return logits


@dataclass(frozen=True)
class Overwriting(Defense):
    """Writes into the images that it is asked about."""

    def load(self, task: Task, device: str) -> Classifier:
        return _Overwriting(Hyperplane().load(task, device))


def _attack(title: str, ending: Any, words: str, plugin: str, **settings: str) -> Case:
    return Case(title, ending, words, attack=f"{__name__}:{plugin}", settings={"attack_settings": settings})


CASES = [
    _attack("an attack that writes into its images", "refused", "wrote into the images", "Writer", what="images"),
    _attack("an attack that flips the labels", "refused", "wrote into the labels", "Writer", what="labels"),
    _attack("an attack that edits its arguments after it has ended", "doubted", "left|changed", "Later"),
    _attack("an attack that gives another sample's image", "invalid", "outside the threat model", "Misplaced"),
    _attack("an attack that gives a list", "refused", "returned images list", "Odd", how="list"),
    _attack("an attack that gives a bare tensor", "refused", "must return bench.Perturbed", "Odd", how="tensor"),
    _attack("an attack that attaches a certificate", "refused", "certificate", "Odd", how="certificate"),
    _attack("an attack whose iterations are no whole numbers", "refused", "broken_at", "Odd", how="floats"),
    Case("a defense that writes into its input", "refused", "wrote into the images", f"{__name__}:Overwriting"),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)
def test_whoever_writes_into_what_is_not_theirs_is_named(case: Case, tmp_path: Path) -> None:
    assert_caught(case, tmp_path)
