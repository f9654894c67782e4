"""Gradients that are missing, misleading or somebody else's, and attacks that do not work."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from bench import Attack, Batch, Classifier, Defense, Perturbed, Task, ThreatModel, Victim
from tests.plugins import Hyperplane
from tests.zoo.case import Case, assert_caught

if TYPE_CHECKING:
    from torch import Generator, Tensor


class _Changed(Classifier):
    """The hyperplane, with something done to its images or to its logits."""

    def __init__(self, inner: Classifier, change: Callable[[Tensor, Generator], Tensor], before: bool) -> None:
        self.inner, self.change, self.before = inner, change, before

    def __call__(self, images: Tensor, rng: Generator) -> Tensor:
        if self.before:
            return self.inner(self.change(images, rng), rng)
        return self.change(self.inner(images, rng), rng)


def _turned(images: Tensor, rng: Generator) -> Tensor:
    """The images, with a gradient that points the wrong way."""
    return 2 * images.detach() - images


def _rounded(images: Tensor, rng: Generator) -> Tensor:
    return (images * 16).round() / 16


def _saturated(logits: Tensor, rng: Generator) -> Tensor:
    return logits * 1e4


def _overflowing(logits: Tensor, rng: Generator) -> Tensor:
    return (logits * 1e5).half().float()


def _noisy(images: Tensor, rng: Generator) -> Tensor:
    import torch

    return images + 0.3 * torch.randn(images.shape, generator=rng)


def _detached(logits: Tensor, rng: Generator) -> Tensor:
    return logits.detach()


@dataclass(frozen=True)
class Masked(Defense):
    """A hyperplane whose gradient is not what it seems."""

    how: str = "turned"

    def load(self, task: Task, device: str) -> Classifier:
        changes: dict[str, tuple[Callable[[Tensor, Generator], Tensor], bool]] = {
            "turned": (_turned, True),
            "rounded": (_rounded, True),
            "saturated": (_saturated, False),
            "overflowing": (_overflowing, False),
            "noisy": (_noisy, True),
            "detached": (_detached, False),
        }
        classifier = _Changed(Hyperplane().load(task, device), *changes[self.how])
        classifier.deterministic = self.how != "noisy"
        return classifier


class _Standing(_Changed):
    differentiable = False

    def stand_in(self) -> Classifier:
        return _Changed(self.inner, _turned, before=True)


@dataclass(frozen=True)
class Decoy(Defense):
    """Offers a stand-in that leads the wrong way."""

    def load(self, task: Task, device: str) -> Classifier:
        return _Standing(Hyperplane().load(task, device), _rounded, before=True)


@dataclass(frozen=True)
class Idle(Attack):
    """Does nothing, and calls that white-box."""

    norm: ClassVar[str] = "linf"
    asks: bool = False

    def perturb(self, victim: Victim, batch: Batch, threat: ThreatModel, rng: Generator) -> Perturbed:
        if self.asks:
            victim(batch.images)
        return Perturbed(batch.images.clone())


@dataclass(frozen=True)
class Descending(Attack):
    """Walks down the loss instead of up."""

    norm: ClassVar[str] = "linf"
    knowledge: ClassVar[Any] = "white-box"

    def perturb(self, victim: Victim, batch: Batch, threat: ThreatModel, rng: Generator) -> Perturbed:
        import torch
        from torch.nn.functional import cross_entropy

        images = batch.images.clone().requires_grad_()
        (slope,) = torch.autograd.grad(cross_entropy(victim(images), batch.labels), images)
        return Perturbed(threat.project(batch.images, batch.images - threat.radius * slope.sign()))


@dataclass(frozen=True)
class Seeing(Descending):
    """Takes a gradient, and calls itself black-box."""

    knowledge: ClassVar[Any] = "black-box"


def _defense(title: str, ending: Any, words: str, how: str) -> Case:
    return Case(title, ending, words, f"{__name__}:Masked", settings={"defense_settings": {"how": how}})


def _attack(title: str, words: str, plugin: str, **settings: object) -> Case:
    return Case(title, "doubted", words, attack=f"{__name__}:{plugin}", settings={"attack_settings": settings})


CASES = [
    _defense("a gradient that points the wrong way", "doubted", "gradient", "turned"),
    _defense("a gradient that is zero", "doubted", "zero", "rounded"),
    _defense("logits so large that the loss is flat", "doubted", "saturat|flat|zero", "saturated"),
    _defense("logits that overflow in float16", "refused", "NaN or infinite", "overflowing"),
    _defense("a random defense attacked on one frozen noise", "doubted", "fixed noise|frozen|one noise", "noisy"),
    _defense("logits without a gradient that are called differentiable", "refused", "differentiable", "detached"),
    Case("a stand-in that leads the wrong way", "doubted", "stand-in", f"{__name__}:Decoy"),
    _attack("an idle attack that calls itself white-box", "left|changed|no gradient", "Idle"),
    _attack("an idle attack that asks once", "left|changed|no gradient", "Idle", asks=True),
    _attack("an attack that walks down the loss", "noise", "Descending"),
    _attack("an attack that takes a gradient and calls itself black-box", "black-box", "Seeing"),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)
def test_an_attack_that_cannot_have_worked_is_no_quiet_number(case: Case, tmp_path: Path) -> None:
    assert_caught(case, tmp_path)
