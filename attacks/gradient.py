"""Attacks that climb the cross-entropy along its gradient: FGSM and PGD."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, ClassVar

from bench import Attack, Perturbed, UsageError

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from bench import Batch, ThreatModel, Victim


@dataclass(frozen=True)
class FgsmLinf(Attack):
    """One step of epsilon along the gradient's sign (Goodfellow et al. 2014, 1412.6572).

    `draws` gradients, each under fresh noise, are averaged where the defense is random (expectation over
    transformation; Athalye et al. 2018, 1707.07397); 1 keeps the noise of the prediction.
    """

    norm: ClassVar[str] = "linf"
    draws: int = 1

    def __post_init__(self) -> None:
        _at_least_one("draws", self.draws)

    def perturb(self, victim: Victim, batch: Batch, threat: ThreatModel, rng: Generator) -> Perturbed:
        """The images one step away, cut to [0, 1]; draws nothing from `rng`."""
        ascent = _gradient(victim, batch.images, batch.labels, self.draws)
        return Perturbed((batch.images + threat.radius * ascent.sign()).clamp(0, 1))


@dataclass(frozen=True)
class Pgd(Attack):
    """Projected gradient ascent (Madry et al. 2018, 1706.06083), of which `PgdLinf` and `PgdL2` are the two kinds.

    `step_size` is exact and in pixel units, as text ("2/255"); None is 2.5 x epsilon / steps. Without restarts the last
    iterate is proposed, whatever it does. With them the victim is asked once more after each, and a sample keeps its
    first misclassified image or, where there is none, the last iterate of highest loss. `draws` is that of `FgsmLinf`.
    The loss is summed over the samples, not averaged, so that no sample's gradient depends on the size of the batch.
    """

    steps: int = 40
    step_size: str | None = None
    random_start: bool = True
    restarts: int = 1
    draws: int = 1

    def __post_init__(self) -> None:
        for name in ("steps", "restarts", "draws"):
            _at_least_one(name, getattr(self, name))
        if self.restarts > 1 and not self.random_start:
            raise UsageError("Without a random start every restart is the same; set restarts=1 or random_start=true.")
        if self.step_size is not None and _exact(self.step_size) <= 0:
            raise UsageError(f"step_size must be above 0; got {self.step_size}.")

    def perturb(self, victim: Victim, batch: Batch, threat: ThreatModel, rng: Generator) -> Perturbed:
        """Images within `threat`; equal generators give equal images."""
        import torch

        best, highest = batch.images, torch.full(batch.labels.shape, -torch.inf, device=batch.images.device)
        for restart in range(self.restarts):
            perturbed = self._climb(victim, batch, threat, rng, restart)
            if self.restarts == 1:
                return Perturbed(perturbed)
            height = _height(victim, perturbed, batch.labels)
            best = torch.where((height > highest).view(-1, 1, 1, 1), perturbed, best)
            highest = torch.maximum(height, highest)
        return Perturbed(best)

    def _climb(self, victim: Victim, batch: Batch, threat: ThreatModel, rng: Generator, restart: int) -> Tensor:
        """The last iterate of one run."""
        size = 2.5 * threat.radius / self.steps if self.step_size is None else float(_exact(self.step_size))
        perturbed = batch.images
        if self.random_start:
            perturbed = (perturbed + self._start(batch.images, threat, rng)).clamp(0, 1)
        for step in range(self.steps):
            ascent = self._direction(_gradient(victim, perturbed, batch.labels, self.draws))
            perturbed = threat.project(batch.images, perturbed + size * ascent)
            victim.watch(restart * self.steps + step + 1, self.restarts * self.steps, "gradient steps")
        return perturbed

    @abstractmethod
    def _start(self, images: Tensor, threat: ThreatModel, rng: Generator) -> Tensor:
        """A random perturbation within the budget."""

    @abstractmethod
    def _direction(self, gradient: Tensor) -> Tensor:
        """The steepest ascent of length 1 in the attack's norm."""


@dataclass(frozen=True)
class PgdLinf(Pgd):
    """PGD in linf from a uniform start; 40 steps of 2/255, as TMDC's protocol has it."""

    norm: ClassVar[str] = "linf"
    step_size: str | None = "2/255"

    def _start(self, images: Tensor, threat: ThreatModel, rng: Generator) -> Tensor:
        import torch

        return torch.empty_like(images).uniform_(-threat.radius, threat.radius, generator=rng)

    def _direction(self, gradient: Tensor) -> Tensor:
        return gradient.sign()


@dataclass(frozen=True)
class PgdL2(Pgd):
    """PGD in l2 from a start of uniform direction and uniform length, which favours the centre of the ball."""

    norm: ClassVar[str] = "l2"

    def _start(self, images: Tensor, threat: ThreatModel, rng: Generator) -> Tensor:
        import torch

        direction = torch.empty_like(images).normal_(generator=rng)
        norms = _norms(direction)
        return direction * (torch.empty_like(norms).uniform_(0, 1, generator=rng) / norms * threat.radius)

    def _direction(self, gradient: Tensor) -> Tensor:
        # Scaled to a largest entry of 1 first: the squares of a confident classifier's gradient underflow.
        scaled = gradient / gradient.flatten(1).abs().amax(1).clamp_min(1e-38).view(-1, 1, 1, 1)
        return scaled / _norms(scaled).clamp_min(1e-12)


def _gradient(victim: Victim, images: Tensor, labels: Tensor, draws: int) -> Tensor:
    """The summed cross-entropy's gradient at `images`, averaged over `draws`."""
    import torch
    from torch.nn.functional import cross_entropy

    images = images.detach().requires_grad_()
    total = torch.zeros_like(images, requires_grad=False)
    for _ in range(draws):
        if draws > 1:
            victim.redraw()
        with torch.enable_grad():
            loss = cross_entropy(victim(images), labels, reduction="sum")
        total += torch.autograd.grad(loss, images)[0]
    return total / draws


def _height(victim: Victim, images: Tensor, labels: Tensor) -> Tensor:
    """Each sample's cross-entropy (N,); infinite where it is misclassified."""
    import torch
    from torch.nn.functional import cross_entropy

    with torch.no_grad():
        logits = victim(images)
        heights = cross_entropy(logits, labels, reduction="none")
        heights[logits.argmax(1) != labels] = torch.inf
    return heights


def _norms(images: Tensor) -> Tensor:
    """l2 norms (N, 1, 1, 1)."""
    norms: Tensor = images.flatten(1).norm(dim=1)
    return norms.view(-1, 1, 1, 1)


def _at_least_one(name: str, value: int) -> None:
    if value < 1:
        raise UsageError(f"{name} must be at least 1; got {value}.")


def _exact(text: str) -> Fraction:
    try:
        return Fraction(text)
    except (ValueError, ZeroDivisionError):
        raise UsageError(f"step_size {text!r} is not a number; write it like 2/255 or 0.01.") from None
