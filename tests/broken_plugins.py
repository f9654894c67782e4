"""Plugins that each break one contract, found by the tests as `tests.broken_plugins:Name`."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch

from bench import (
    Attack,
    Batch,
    Certifier,
    Classifier,
    Dataset,
    Defense,
    ImageSet,
    Perturbed,
    Smoothed,
    Smoothing,
    Task,
    ThreatModel,
    Victim,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Generator, Tensor

WEIGHTS = torch.from_numpy(np.random.RandomState(3).standard_normal((64, 10)).astype(np.float32))
COUNTER = iter(range(10**9))
"""Moves on with every call: what a careless plugin keeps from one call to the next."""


class Linear(Classifier):
    """A classifier of digits that goes wrong in one way."""

    def __init__(self, fault: str) -> None:
        self.fault = fault
        self.common_noise = fault in ("one-noise", "noise-a-place")
        noisy = ("own-noise", "hidden-noise", "one-noise", "noise-a-place", "one-for-all")
        self.deterministic = fault not in noisy

    def __call__(self, images: Tensor, rng: Generator) -> Tensor:
        if self.fault == "in-place":
            images += 0.1
        if self.fault == "seeds-python":
            random.seed(0)
        if self.fault == "seeds-numpy":
            np.random.seed(0)
        flat = images.flatten(1)
        if self.fault == "batch":
            flat = flat - flat.mean(0)
        if self.fault == "detached":
            flat = flat.detach()
        if self.fault == "wrong-gradient":
            flat = flat.detach().square() + (flat - flat.detach())
        logits = flat @ (WEIGHTS.clone().requires_grad_() if self.fault == "graph" else WEIGHTS)
        if self.fault == "two-faced" and images.requires_grad:
            logits = logits.flip(1)
        return self._end(logits, rng)

    def at_once(self, count: int) -> int:
        return 2 if self.fault == "one-for-all" else 1

    def together(self, images: Sequence[Tensor], rngs: Sequence[Generator]) -> list[Tensor]:
        return super().together(images, [rngs[0]] * len(rngs) if self.fault == "one-for-all" else rngs)

    def _end(self, logits: Tensor, rng: Generator) -> Tensor:
        if self.fault == "nan":
            return logits / 0 * 0
        if self.fault == "columns":
            return logits[:, :7]
        if self.fault == "whole":
            return logits.long()
        if self.fault == "one-noise":
            return logits + torch.randn(logits.shape[1], generator=rng)
        if self.fault in ("noisy", "noise-a-place", "one-for-all"):
            return logits + torch.randn(logits.shape, generator=rng)
        if self.fault == "own-noise":
            return logits + next(COUNTER)
        if self.fault == "hidden-noise":
            return logits + torch.randn(logits.shape)
        return logits.sqrt() if self.fault == "infinite-gradient" else logits


class Unmajor(Smoothed):
    """A smoothed classifier that goes wrong in one way."""

    deterministic = False

    def __init__(self, fault: str) -> None:
        self.fault, self.sigma, self.rows = fault, 0.0 if fault == "no-noise" else 0.01, 8
        if fault == "no-rows":
            self.rows = 0
        self.base = Refused("none") if fault == "refusing-base" else Linear("none")
        if fault == "drawing-base":
            self.base = Linear("noisy")

    def __call__(self, images: Tensor, rng: Generator) -> Tensor:
        logits = self.base(images, rng)
        return -logits if self.fault == "minority" else logits


class Refused(Linear):
    """A classifier that says it abstains and has no column for it."""

    abstains = True


@dataclass(frozen=True)
class Faulty(Defense):
    """A linear classifier of digits with a fault."""

    fault: str = "none"

    def load(self, task: Task, device: str) -> Classifier:
        if self.fault == "raises":
            raise ValueError("no such layer")
        if self.fault == "nothing":
            return None  # type: ignore[return-value]  # that is the fault
        return Refused("none") if self.fault == "abstains" else Linear(self.fault)

    def files(self, task: Task) -> Mapping[str, Path]:
        return {"network": Path("nowhere.pt")} if self.fault == "files" else {}


@dataclass(frozen=True)
class Unsmooth(Defense):
    """A smoothed classifier of digits with a fault."""

    fault: str = "none"

    def load(self, task: Task, device: str) -> Classifier:
        return Unmajor(self.fault)


class Sound(Defense):
    """A linear classifier of digits, whose faults lie elsewhere."""

    def load(self, task: Task, device: str) -> Classifier:
        return Linear("none")


class Held(Sound):
    """Holds what is no field."""

    def __init__(self) -> None:
        self.width = 3


@dataclass
class Changeable(Sound):
    """Can be changed after it was made."""

    width: int = 3


@dataclass(frozen=True)
class Silent(Sound):
    width: int = 3


@dataclass(frozen=True)
class Opaque(Sound):
    """Has a setting that is no plain data."""

    width: Any = frozenset({3})


@dataclass(frozen=True)
class Unstable(Sound):
    """Chooses another width every time."""

    width: int = 3

    def resolve(self, task: Task) -> Unstable:
        return Unstable(next(COUNTER))


@dataclass(frozen=True)
class Careless(Attack):
    """Goes wrong in one way."""

    norm: ClassVar[str] = "linf"
    fault: str = "none"

    def perturb(self, victim: Victim, batch: Batch, threat: ThreatModel, rng: Generator) -> Perturbed:
        if self.fault == "far":
            return Perturbed((batch.images + 2 * threat.radius).clamp(0, 1))
        if self.fault == "few":
            return Perturbed(batch.images[:1])
        if self.fault == "in-place":
            batch.images.zero_()
            return Perturbed(batch.images)
        if self.fault == "own-noise":
            return Perturbed((batch.images + 1e-3 * (next(COUNTER) % 7)).clamp(0, 1))
        if self.fault == "ten-classes":
            victim(batch.images)[:, 9]
        if self.fault != "idle":
            images = batch.images.clone().requires_grad_()
            torch.autograd.grad(victim(images).sum(), images)
        return Perturbed(batch.images)


@dataclass(frozen=True)
class Modest(Careless):
    """Says that it needs no gradient."""

    knowledge = "black-box"


@dataclass(frozen=True)
class Boastful(Careless):
    """Says that it proves what it only tries."""

    knowledge = "certified"


@dataclass(frozen=True)
class Unproven(Certifier):
    """Asks for a proof that cannot be had."""

    norm: ClassVar[str] = "l2"
    n0: int = 10
    n: int = 100
    alpha: float = 0.01

    def smoothing(self) -> Smoothing:
        return Smoothing(self.n0, self.n, self.alpha)


@dataclass(frozen=True)
class UnprovenLinf(Unproven):
    """Asks for a proof in the wrong norm."""

    norm: ClassVar[str] = "linf"


@dataclass(frozen=True)
class Unworldly(Careless):
    """Spends its budget in a norm that nobody knows."""

    norm: ClassVar[str] = "l3"


@dataclass(frozen=True)
class Messy(Dataset):
    """Images that are wrong in one way."""

    fault: str = "none"

    def load(self, split: str, folder: Path | None) -> ImageSet:
        seed = next(COUNTER) if self.fault == "changing" else 0 if self.fault == "same" else len(split)
        images = np.random.RandomState(seed).rand(8, 1, 4, 4).astype(np.float32)
        classes = ("one", "one") if self.fault == "classes" else ("one", "two")
        labels = np.arange(8) % (3 if self.fault == "labels" else 2)
        if self.fault == "bytes":
            images *= 255
        if self.fault == "double":
            images = images.astype(np.float64)
        return ImageSet(Task("messy", classes, (1, 4, 4)), labels, lambda index: images[index])


@dataclass(frozen=True)
class Boundless(Messy):
    """Has a budget that is out of range."""

    budgets: ClassVar[Mapping[str, str]] = {"linf": "8"}
