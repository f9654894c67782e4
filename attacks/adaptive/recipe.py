"""The composed attack in two norms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from attacks.a3 import A3L2, A3Linf
from attacks.adaptive.composition import Composition
from attacks.adaptive.run import Run
from attacks.adaptive.traits import Traits
from attacks.autoattack import AutoAttackL2, AutoAttackLinf
from attacks.malt import MaltL2, MaltLinf
from attacks.parts.making import in_norm
from bench import Batch, Perturbed, ThreatModel, Victim

if TYPE_CHECKING:
    from torch import Generator


@dataclass(frozen=True)
class Adaptive(Composition):
    """The composition run on one batch, as far as its classifier needs it."""

    def perturb(self, victim: Victim, batch: Batch, threat: ThreatModel, rng: Generator) -> Perturbed:
        """Images within `threat`, clean where nothing misleads more draws, and the part that each sample fell to."""
        run = Run(self, victim, batch, threat, rng, Traits.of(victim, batch))
        if run.traits.random:
            run.against_randomness()
        else:
            run.against_a_function()
        return Perturbed(run.images, remarks=tuple(run.remarks), fell_to=tuple(run.fell_to))


_SUMMARY = (
    "The strongest known attack on each kind of defense in {norm}: AutoAttack on nets, gradients in expectation "
    "through\nevery offered route on random ones, estimates and Square where gradients fail."
)
AdaptiveLinf = in_norm(
    Adaptive, "linf", _SUMMARY.format(norm="linf"), plain=AutoAttackLinf, short=A3Linf, near=MaltLinf
)
AdaptiveL2 = in_norm(Adaptive, "l2", _SUMMARY.format(norm="l2"), plain=AutoAttackL2, short=A3L2, near=MaltL2)
