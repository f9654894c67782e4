"""PGD on the expectation over a random defense's noise, with the settings that are published against purification."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from attacks.gradient import Pgd
from bench import Batch, Perturbed, ThreatModel, Victim

if TYPE_CHECKING:
    from torch import Generator


@dataclass(frozen=True)
class PgdEot(Pgd):
    """PGD whose gradient is the mean over `draws` draws of the defense's noise, in the norm of a subclass.

    Expectation over transformation (Athalye et al. 2018, 1707.07397) as Lee and Kim run it (2023, 2303.09051): 200
    steps of 0.007 from the clean image, 20 draws a step, the last iterate. A deterministic defense has the same
    gradient in every draw, so it is asked once.
    """

    steps: int = 200
    step_size: str | None = "0.007"
    random_start: bool = False
    draws: int = 20

    def perturb(self, victim: Victim, batch: Batch, threat: ThreatModel, rng: Generator) -> Perturbed:
        """Images within `threat`; equal generators give equal images."""
        if victim.deterministic and self.draws > 1:
            return replace(self, draws=1).perturb(victim, batch, threat, rng)
        return super().perturb(victim, batch, threat, rng)


@dataclass(frozen=True)
class PgdEotLinf(PgdEot):
    """PGD in linf whose gradient is the mean over draws of a random defense's noise; 200 steps of 0.007, 20 draws
    (Lee and Kim 2023, 2303.09051)."""

    norm: ClassVar[str] = "linf"


@dataclass(frozen=True)
class PgdEotL2(PgdEot):
    """PGD in l2 whose gradient is the mean over draws of a random defense's noise; 200 steps of 0.007, 20 draws
    (Lee and Kim 2023, 2303.09051).

    Deviation: a step of this length goes along the gradient, where their code takes 0.007 times its sign, a step of
    length 0.39 on CIFAR-10 that is not the steepest in l2.
    """

    norm: ClassVar[str] = "l2"
