"""Defenses whose answers hang on what they were asked before, on the company of an image, or on hidden chance."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from bench import Classifier, Defense, Task
from tests.plugins import Hyperplane
from tests.zoo.case import Case, assert_caught

if TYPE_CHECKING:
    from torch import Generator, Tensor


class _Wrapped(Classifier):
    def __init__(self, inner: Classifier) -> None:
        self.inner = inner
        self.seen: list[Tensor] = []


class _First(_Wrapped):
    def __call__(self, images: Tensor, rng: Generator) -> Tensor:
        logits = self.inner(images, rng)
        if not self.seen:
            self.seen.append(logits.detach().mean(0))
        return logits - self.seen[0]


class _Running(_Wrapped):
    def __call__(self, images: Tensor, rng: Generator) -> Tensor:
        logits = self.inner(images, rng)
        self.seen.append(logits.detach().mean(0))
        mean: Tensor = sum(self.seen[1:], self.seen[0]) / len(self.seen)
        return logits - mean


class _Recognising(_Wrapped):
    """Answers for an image as it did for the nearest one that it has seen."""

    def __call__(self, images: Tensor, rng: Generator) -> Tensor:
        import torch

        logits = self.inner(images, rng)
        found = []
        for image, own in zip(images.detach(), logits, strict=True):
            near = [known for known in self.seen if (known[0] - image).abs().max() <= 0.06]
            found.append(own * 0 + near[0][1] if near else own)
            if not near:
                self.seen.append((image.clone(), own.detach().clone()))  # type: ignore[arg-type]  # pairs, not tensors
        return torch.stack(found)


class _Batchwise(_Wrapped):
    def __call__(self, images: Tensor, rng: Generator) -> Tensor:
        logits = self.inner(images, rng)
        return logits - logits.mean(0)


class _Chancy(_Wrapped):
    def __init__(self, inner: Classifier, source: str, declared: bool) -> None:
        super().__init__(inner)
        self.source, self.deterministic = source, not declared

    def __call__(self, images: Tensor, rng: Generator) -> Tensor:
        import torch

        noise = {
            "torch": lambda: torch.randn(images.shape),
            "numpy": lambda: torch.from_numpy(np.random.standard_normal(images.shape).astype(np.float32)),
            "random": lambda: torch.full_like(images, random.gauss(0, 1)),
        }[self.source]()
        return self.inner(images + 0.3 * noise, rng)


@dataclass(frozen=True)
class Remembering(Defense):
    """Keeps something of what it has seen, of the kind that it is told to."""

    kind: str = "first"

    def load(self, task: Task, device: str) -> Classifier:
        kinds = {"first": _First, "running": _Running, "recognising": _Recognising, "batch": _Batchwise}
        return kinds[self.kind](Hyperplane().load(task, device))


@dataclass(frozen=True)
class Chancy(Defense):
    """Draws from a generator that is not its own."""

    source: str = "torch"
    declared: bool = True

    def load(self, task: Task, device: str) -> Classifier:
        return _Chancy(Hyperplane().load(task, device), self.source, self.declared)


AGAIN = "otherwise"


def _case(title: str, plugin: str, **settings: object) -> Case:
    return Case(title, "invalid", AGAIN, f"{__name__}:{plugin}", settings={"defense_settings": settings})


CASES = [
    _case("a defense that subtracts its first answer from all later ones", "Remembering", kind="first"),
    _case("a defense with a running mean", "Remembering", kind="running"),
    _case("a defense that recognises what it has seen", "Remembering", kind="recognising"),
    _case("a defense that looks at the statistics of a batch", "Remembering", kind="batch"),
    _case("a random defense that draws from torch's global generator", "Chancy", source="torch"),
    _case("a random defense that draws from numpy's global generator", "Chancy", source="numpy"),
    _case("a random defense that draws from Python's global generator", "Chancy", source="random"),
    _case("a random defense that calls itself deterministic", "Chancy", source="torch", declared=False),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)
def test_a_defense_with_a_past_is_invalid(case: Case, tmp_path: Path) -> None:
    assert_caught(case, tmp_path)
