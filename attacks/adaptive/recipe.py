"""The composed attack in two norms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from attacks.a3 import A3, A3L2, A3Linf
from attacks.adaptive.composition import Composition
from attacks.adaptive.run import Run
from attacks.adaptive.traits import Traits
from attacks.autoattack import AutoAttackL2, AutoAttackLinf
from attacks.autoattack.recipe import AutoAttack
from attacks.malt import Malt, MaltL2, MaltLinf
from bench import Batch, Perturbed

if TYPE_CHECKING:
    from torch import Generator

    from bench import ThreatModel, Victim


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


@dataclass(frozen=True)
class AdaptiveLinf(Adaptive):
    """The strongest known attack on each kind of defense in linf: AutoAttack on nets, gradients in expectation through
    every offered route on random ones, estimates and Square where gradients fail."""

    norm: ClassVar[str] = "linf"
    plain: ClassVar[type[AutoAttack]] = AutoAttackLinf
    short: ClassVar[type[A3]] = A3Linf
    near: ClassVar[type[Malt]] = MaltLinf


@dataclass(frozen=True)
class AdaptiveL2(Adaptive):
    """The strongest known attack on each kind of defense in l2: AutoAttack on nets, gradients in expectation through
    every offered route on random ones, estimates and Square where gradients fail."""

    norm: ClassVar[str] = "l2"
    plain: ClassVar[type[AutoAttack]] = AutoAttackL2
    short: ClassVar[type[A3]] = A3L2
    near: ClassVar[type[Malt]] = MaltL2
