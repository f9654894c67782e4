"""BPDA with EOT: past a purifier by the identity in place of its gradient, averaged over its noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from attacks.expectation import PgdEot
from bench import Batch, Perturbed, ThreatModel, Victim

if TYPE_CHECKING:
    from torch import Generator


@dataclass(frozen=True)
class BpdaEot(PgdEot):
    """PGD in linf whose gradient takes a purifier for the identity, or is that of the defense's own stand-in, as a mean
    over the defense's noise (Hill et al. 2021, 2005.13525; Athalye et al. 2018, 1802.00420).

    Hill et al. take 50 steps of 2/255 from a uniform start and 15 draws a step. A defense that neither purifies nor
    has a stand-in is attacked by its own gradient, a deterministic one by one draw a step. Deviations: the draws'
    gradients are averaged, where Hill et al. differentiate the loss of the mean logits; and they stop at an image that
    the mean logits of 150 draws misclassify, where here every sample takes all steps, for the judge counts draws.
    """

    norm: ClassVar[str] = "linf"
    knowledge = "adaptive"
    steps: int = 50
    step_size: str | None = "2/255"
    random_start: bool = True
    draws: int = 15

    def perturb(self, victim: Victim, batch: Batch, threat: ThreatModel, rng: Generator) -> Perturbed:
        """Images within `threat`; equal generators give equal images."""
        victim.bypass()
        return super().perturb(victim, batch, threat, rng)
