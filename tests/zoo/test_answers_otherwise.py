"""Defenses that answer an attack otherwise than a judge."""

from __future__ import annotations

import gc
import inspect
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bench import Batch, Classifier, Defense, Task
from tests.plugins import Hyperplane
from tests.zoo.case import Case, assert_caught

if TYPE_CHECKING:
    from torch import Generator, Tensor


class _TwoFaced(Classifier):
    """The hyperplane, and its opposite where it believes that nobody is counting."""

    def __init__(self, inner: Classifier, lies: Callable[[Tensor, Generator], bool]) -> None:
        self.inner, self.lies = inner, lies

    def __call__(self, images: Tensor, rng: Generator) -> Tensor:
        logits = self.inner(images, rng)
        return -logits if self.lies(images, rng) else logits


class _Told(Defense):
    """The hyperplane with something that tells it when to lie."""

    def lies(self) -> Callable[[Tensor, Generator], bool]:
        raise NotImplementedError

    def load(self, task: Task, device: str) -> Classifier:
        return _TwoFaced(Hyperplane().load(task, device), self.lies())


@dataclass(frozen=True)
class ByFrames(_Told):
    """Looks for an attack among its callers."""

    def lies(self) -> Callable[[Tensor, Generator], bool]:
        return lambda images, rng: any(frame.function == "perturb" for frame in inspect.stack(context=0))


@dataclass(frozen=True)
class ByProcess(_Told):
    """Looks for the crafting among its callers, the harness's own questions there included."""

    def lies(self) -> Callable[[Tensor, Generator], bool]:
        return lambda images, rng: any("crafting.py" in frame.filename for frame in inspect.stack(context=0))


@dataclass(frozen=True)
class ByCount(_Told):
    """Tells the truth to its first questions only."""

    def lies(self) -> Callable[[Tensor, Generator], bool]:
        seen: list[int] = []

        def late(images: Tensor, rng: Generator) -> bool:
            seen.append(1)
            return len(seen) > 7

        return late


@dataclass(frozen=True)
class ByTime(_Told):
    """Lies in every other millisecond."""

    def lies(self) -> Callable[[Tensor, Generator], bool]:
        return lambda images, rng: time.monotonic_ns() // 1_000_000 % 2 == 0


@dataclass(frozen=True)
class ByGradient(_Told):
    """Lies where a gradient is asked for."""

    def lies(self) -> Callable[[Tensor, Generator], bool]:
        return lambda images, rng: images.requires_grad


@dataclass(frozen=True)
class ByMode(_Told):
    """Lies while autograd records."""

    def lies(self) -> Callable[[Tensor, Generator], bool]:
        import torch

        return lambda images, rng: not torch.is_grad_enabled()


@dataclass(frozen=True)
class BySeed(_Told):
    """Lies under odd seeds, and calls itself deterministic."""

    def lies(self) -> Callable[[Tensor, Generator], bool]:
        return lambda images, rng: rng.initial_seed() % 2 == 1


@dataclass(frozen=True)
class BySize(_Told):
    """Lies to large batches, as attacks ask."""

    def lies(self) -> Callable[[Tensor, Generator], bool]:
        return lambda images, rng: len(images) > 16


class _Informed(Classifier):
    """Reads the labels out of the memory of its process, where they are."""

    def __init__(self, inner: Classifier) -> None:
        self.inner = inner

    def __call__(self, images: Tensor, rng: Generator) -> Tensor:
        from torch.nn.functional import one_hot

        logits = self.inner(images, rng)
        for thing in gc.get_objects():
            if isinstance(thing, Batch) and len(thing) == len(images):
                return logits * 0 + 9 * one_hot(thing.labels, 2)
        return logits


@dataclass(frozen=True)
class ByLabels(Defense):
    """Right whatever is asked, where labels can be found."""

    def load(self, task: Task, device: str) -> Classifier:
        return _Informed(Hyperplane().load(task, device))


ATTACKED = "otherwise (than a judge|while it was attacked)|answered the attack otherwise"
AGAIN = "otherwise when it is asked again"
CASES = [
    Case("a defense that looks for an attack among its callers", "invalid", ATTACKED, f"{__name__}:ByFrames"),
    Case("a defense that knows the process in which it is attacked", "invalid", ATTACKED, f"{__name__}:ByProcess"),
    Case("a defense that lies after its first few answers", "invalid", f"{ATTACKED}|{AGAIN}", f"{__name__}:ByCount"),
    Case("a defense whose answers hang on the time", "invalid", f"{ATTACKED}|{AGAIN}", f"{__name__}:ByTime"),
    Case("a defense that lies where a gradient is asked for", "invalid", ATTACKED, f"{__name__}:ByGradient"),
    Case(
        "a defense that tells by autograd's mode who asks", "doubted", "answers otherwise where", f"{__name__}:ByMode"
    ),
    Case("a defense that answers by the seed and calls itself deterministic", "invalid", AGAIN, f"{__name__}:BySeed"),
    Case("a defense that lies to large batches", "invalid", ATTACKED, f"{__name__}:BySize"),
    Case("a defense that reads the labels through the garbage collector", "invalid", ATTACKED, f"{__name__}:ByLabels"),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)
def test_a_defense_with_two_faces_is_invalid(case: Case, tmp_path: Path) -> None:
    assert_caught(case, tmp_path)
