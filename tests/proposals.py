"""Attacks that propose more than images, found by the tests as `tests.proposals:Name`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from bench import Attack, Batch, Perturbed, ThreatModel, Victim, warp
from tests.plugins import DIRECTION

if TYPE_CHECKING:
    from torch import Generator, Tensor


@dataclass(frozen=True)
class Nearest(Attack):
    """The nearest image beyond the hyperplane of `Hyperplane`, by its closed form, `reach` times as far."""

    norm: ClassVar[str] = "l2"
    reach: float = 1.001
    beyond: bool = False

    def perturb(self, victim: Victim, batch: Batch, threat: ThreatModel, rng: Generator) -> Perturbed:
        import torch

        direction = torch.from_numpy(DIRECTION)
        offset = ((batch.images.flatten(1) - 0.5) @ direction) / direction.norm() ** 2
        closest = batch.images - self.reach * (offset[:, None] * direction).view_as(batch.images)
        within = threat.admits(batch.images, closest)
        images = torch.where(within.view(-1, 1, 1, 1), closest, batch.images)
        closest = closest * 100 if self.beyond else closest.clamp(0, 1)
        return Perturbed(images, closest=closest, broken_at=torch.where(within, 1, -1))


@dataclass(frozen=True)
class Bent(Attack):
    """Images bent by a random flow; `how` says what is wrong with them or with their witness."""

    norm: ClassVar[str] = "flow"
    how: str = "right"

    def perturb(self, victim: Victim, batch: Batch, threat: ThreatModel, rng: Generator) -> Perturbed:
        import torch

        flow: Tensor = torch.empty(len(batch), 2, *batch.images.shape[2:]).uniform_(-1, 1, generator=rng)
        flow *= threat.radius * (1.5 if self.how == "far" else 1)
        images = warp(batch.images, flow)
        if self.how == "forged":
            images = 1 - images
        return Perturbed(images, witness=None if self.how == "bare" else flow)


@dataclass(frozen=True)
class Dark(Attack):
    """A corruption that darkens; it may look at the victim, which no corruption does."""

    norm: ClassVar[str] = "corruption"
    looks: bool = False
    severity: int = 2

    def perturb(self, victim: Victim, batch: Batch, threat: ThreatModel, rng: Generator) -> Perturbed:
        import torch

        if self.looks:
            victim(batch.images)
        return Perturbed(batch.images * 0.5, witness=torch.full((len(batch),), float(self.severity)))
