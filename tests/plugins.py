"""Small plugins with known answers, found by the tests as `tests.plugins:Name`."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from bench import (
    Attack,
    Batch,
    Classifier,
    Dataset,
    Defense,
    ImageSet,
    Network,
    Part,
    Perturbed,
    Smoothed,
    Task,
    ThreatModel,
    Victim,
    count_votes,
)

if TYPE_CHECKING:
    from torch import Generator, Tensor

SHAPE = (1, 4, 4)
DIRECTION = np.random.RandomState(7).standard_normal(16).astype(np.float32)


@dataclass(frozen=True)
class Halves(Dataset):
    """Points in the unit cube, labelled by the side of a hyperplane through its centre that they lie on."""

    size: int = 96
    flipped: bool = False

    def load(self, split: str, folder: Path | None) -> ImageSet:
        images = np.random.RandomState(0 if split == "train" else 1).rand(self.size, *SHAPE).astype(np.float32)
        labels = ((images.reshape(self.size, -1) - 0.5) @ DIRECTION > 0).astype(np.int64)
        if self.flipped:
            labels = 1 - labels
        return ImageSet(Task("halves", ("below", "above"), SHAPE), labels, lambda index: images[index])


@dataclass(frozen=True)
class Hyperplane(Defense):
    """The linear classifier that is right about every point of `Halves`."""

    scale: float = 1.0

    def load(self, task: Task, device: str) -> Classifier:
        import torch
        from torch import nn

        layer = nn.Linear(16, 2)
        direction = torch.from_numpy(DIRECTION) * self.scale
        with torch.no_grad():
            layer.weight.copy_(torch.stack([-direction, direction]))
            layer.bias.copy_(torch.stack([direction.sum() / 2, -direction.sum() / 2]))
        return Network(nn.Sequential(nn.Flatten(), layer).to(device))


class _Noisy(Classifier):
    deterministic = False

    def __init__(self, inner: Classifier, sigma: float) -> None:
        self.inner, self.sigma = inner, sigma

    def __call__(self, images: Tensor, rng: Generator) -> Tensor:
        import torch

        noise = torch.randn(images.shape, generator=rng, device=images.device)
        return self.inner(images + self.sigma * noise, rng)


@dataclass(frozen=True)
class NoisyHyperplane(Defense):
    """The hyperplane behind Gaussian noise."""

    sigma: float = 0.5

    def load(self, task: Task, device: str) -> Classifier:
        return _Noisy(Hyperplane().load(task, device), self.sigma)


class _Rounded(Classifier):
    differentiable = False

    def __init__(self, inner: Classifier, has_stand_in: bool) -> None:
        self.inner, self.has_stand_in = inner, has_stand_in

    def __call__(self, images: Tensor, rng: Generator) -> Tensor:
        return self.inner((images * 4).round() / 4, rng)

    def stand_in(self) -> Classifier | None:
        return self.inner if self.has_stand_in else None


@dataclass(frozen=True)
class Rounded(Defense):
    """The hyperplane behind rounding, whose gradient is zero; with or without a differentiable stand-in."""

    has_stand_in: bool = True

    def load(self, task: Task, device: str) -> Classifier:
        return _Rounded(Hyperplane().load(task, device), self.has_stand_in)


class _Hasty(Classifier):
    def __init__(self, hasty: Classifier, careful: Classifier) -> None:
        self.hasty, self.careful = hasty, careful

    def __call__(self, images: Tensor, rng: Generator) -> Tensor:
        return self.hasty(images, rng)

    def exhaustive(self) -> Classifier:
        return self.careful


@dataclass(frozen=True)
class Hasty(Defense):
    """The hyperplane, which says of itself that it takes shortcuts; without them it gives the same verdicts or not."""

    changes: bool = False

    def load(self, task: Task, device: str) -> Classifier:
        plane = Hyperplane(-1.0 if self.changes else 2.0)
        return _Hasty(Hyperplane().load(task, device), plane.load(task, device))


@dataclass(frozen=True)
class Faulty(Defense):
    """Goes wrong in the way that it is told to."""

    fault: str = "raise"

    def load(self, task: Task, device: str) -> Classifier:
        if self.fault == "load":
            raise RuntimeError("no such layer")
        return _Faulty(self.fault)


class _Faulty(Classifier):
    def __init__(self, fault: str) -> None:
        self.fault = fault

    def __call__(self, images: Tensor, rng: Generator) -> Tensor:
        import torch

        if self.fault == "raise":
            raise ValueError("bad layer")
        if self.fault == "nan":
            return torch.full((len(images), 2), float("nan"))
        if self.fault == "shape":
            return torch.zeros(len(images), 7)
        raise torch.OutOfMemoryError("too large")


@dataclass(frozen=True)
class Greedy(Defense):
    """A network that has room for a few images at a time only."""

    room: int = 10

    def load(self, task: Task, device: str) -> Classifier:
        import torch
        from torch import nn

        network = Hyperplane().load(task, device)
        room = self.room

        class Small(nn.Module):
            def forward(self, images: Tensor) -> Tensor:
                if len(images) > room:
                    raise torch.OutOfMemoryError("too large")
                return network(images, torch.Generator())

        return Network(Small())


@dataclass(frozen=True)
class Still(Attack):
    """Proposes the clean images; sleeps `seconds` first, so that a run can be interrupted."""

    norm: ClassVar[str] = "linf"
    seconds: float = 0.0

    def perturb(self, victim: Victim, batch: Batch, threat: ThreatModel, rng: Generator) -> Perturbed:
        import time

        time.sleep(self.seconds)
        return Perturbed(batch.images)


@dataclass(frozen=True)
class Cheat(Attack):
    """Leaves the threat model in the way that it is told to."""

    norm: ClassVar[str] = "linf"
    how: str = "far"

    def perturb(self, victim: Victim, batch: Batch, threat: ThreatModel, rng: Generator) -> Perturbed:
        if self.how == "far":
            return Perturbed((batch.images + 1.001 * threat.radius).clamp(0, 1))
        if self.how == "dark":
            return Perturbed(batch.images - threat.radius)
        if self.how == "nan":
            return Perturbed(batch.images * float("nan"))
        if self.how == "few":
            return Perturbed(batch.images[:1])
        raise KeyError("lost")


@dataclass(frozen=True)
class Leaver(Attack):
    """Ends its process on the shard that holds a certain image."""

    norm: ClassVar[str] = "linf"
    knowledge = "black-box"
    image: int = 0

    def perturb(self, victim: Victim, batch: Batch, threat: ThreatModel, rng: Generator) -> Perturbed:
        if self.image in batch.indices:
            os._exit(0)
        return Perturbed(batch.images.clone())


@dataclass(frozen=True)
class Ambient(Attack):
    """Draws from the global generators, and re-seeds them, as careless libraries do."""

    norm: ClassVar[str] = "linf"
    knowledge = "black-box"

    def perturb(self, victim: Victim, batch: Batch, threat: ThreatModel, rng: Generator) -> Perturbed:
        import torch

        noise = torch.rand(batch.images.shape) * 2 - 1
        np.random.seed(3)
        torch.manual_seed(3)
        return Perturbed(threat.project(batch.images, batch.images + threat.radius * noise))


@dataclass(frozen=True)
class Behind(Defense):
    """Another defense as it is; shows how a defense takes one as a part."""

    inner: Part = Part("tests.plugins:Hyperplane")

    def load(self, task: Task, device: str) -> Classifier:
        return self.inner.load(task, device)


class _Refusing(Classifier):
    abstains = True

    def __init__(self, inner: Classifier) -> None:
        self.inner = inner

    def __call__(self, images: Tensor, rng: Generator) -> Tensor:
        import torch

        logits = self.inner(images, rng)
        doubt = torch.where(logits.max(1).values < 1, 100.0, -100.0)
        return torch.cat([logits, doubt[:, None]], 1)


@dataclass(frozen=True)
class Refusing(Defense):
    """The hyperplane that refuses images near to it."""

    def load(self, task: Task, device: str) -> Classifier:
        return _Refusing(Hyperplane().load(task, device))


class _Smooth(Smoothed):
    deterministic = False
    differentiable = False

    def __init__(self, base: Classifier, sigma: float) -> None:
        self.base, self.sigma = base, sigma

    def __call__(self, images: Tensor, rng: Generator) -> Tensor:
        return count_votes(self.base, images, self.sigma, 100, rng, classes=2, rows=self.rows).float()


@dataclass(frozen=True)
class Smooth(Defense):
    """The hyperplane by majority under Gaussian noise; its true radii are the distances to the plane."""

    sigma: float = 0.25

    def load(self, task: Task, device: str) -> Classifier:
        return _Smooth(Hyperplane().load(task, device), self.sigma)
