"""Noise within the budget: what an attack that knows nothing reaches, the floor under all others."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from attacks.parts.settings import at_least_one
from bench import Attack, Perturbed

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from bench import Batch, ThreatModel, Victim


@dataclass(frozen=True)
class Noise(Attack):
    """Uniform noise within the budget, of which `NoiseLinf` and `NoiseL2` are the two kinds.

    A sample keeps the first of `draws` draws that misleads the victim and is not asked about again; one that none
    misleads keeps the last. Every draw is made for the whole batch, so that no sample's noise depends on the others'.
    """

    knowledge = "black-box"
    draws: int = 10

    def __post_init__(self) -> None:
        at_least_one(self, "draws")

    def perturb(self, victim: Victim, batch: Batch, threat: ThreatModel, rng: Generator) -> Perturbed:
        """Noisy images within `threat`; equal generators give equal images."""
        import torch

        perturbed, right = batch.images, torch.ones_like(batch.labels, dtype=torch.bool)
        broken_at = torch.full_like(batch.labels, -1)
        for draw in range(1, self.draws + 1):
            noisy = threat.project(batch.images, batch.images + self._draw(batch.images, threat.radius, rng))
            perturbed = torch.where(right.view(-1, 1, 1, 1), noisy, perturbed)
            asked = right.clone()
            with torch.no_grad():
                right[asked] = victim(noisy[asked]).argmax(1) == batch.labels[asked]
            broken_at = broken_at.masked_fill(asked & ~right, draw)
            left = int(right.sum())
            victim.watch(draw, self.draws, f"draws, {left} samples still right")
            if left == 0:
                break
        return Perturbed(perturbed, broken_at=broken_at)

    @abstractmethod
    def _draw(self, images: Tensor, radius: float, rng: Generator) -> Tensor:
        """Noise of the images' shape, uniform within the ball of this radius."""


@dataclass(frozen=True)
class NoiseLinf(Noise):
    """Uniform noise in linf, several draws: what an attack that knows nothing reaches, the floor under all others."""

    norm: ClassVar[str] = "linf"

    def _draw(self, images: Tensor, radius: float, rng: Generator) -> Tensor:
        import torch

        return torch.empty_like(images).uniform_(-radius, radius, generator=rng)


@dataclass(frozen=True)
class NoiseL2(Noise):
    """Uniform noise in l2, several draws: what an attack that knows nothing reaches, the floor under all others.

    A normal direction of length radius x u^(1/D), u uniform and D the number of values in an image (Muller 1959,
    doi 10.1145/377939.377946): nearly always close to the ball's edge.
    """

    norm: ClassVar[str] = "l2"

    def _draw(self, images: Tensor, radius: float, rng: Generator) -> Tensor:
        import torch

        direction = torch.empty_like(images).normal_(generator=rng)
        lengths: Tensor = direction.flatten(1).norm(dim=1)
        share = torch.empty_like(lengths).uniform_(0, 1, generator=rng) ** (1 / images[0].numel())
        return direction * (radius * share / lengths).view(-1, 1, 1, 1)
