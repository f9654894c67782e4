"""AutoAttack's version for random defenses under a name of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from attacks.autoattack.recipe import AutoAttack, AutoAttackL2, AutoAttackLinf
from attacks.parts.making import in_norm
from bench import Attack, Batch, Perturbed, ThreatModel, Victim

if TYPE_CHECKING:
    from torch import Generator


@dataclass(frozen=True)
class AutoAttackRand(Attack):
    """AutoAttack's version "rand": APGD on two losses, each gradient averaged over `eot_iter` draws of fresh noise.

    The library counts a sample as broken after one lucky draw, and so reports a noisy classifier of 52-55 % accuracy at
    a budget of 1e-9 as 19 % robust. Here that only decides which images are proposed: bench judges them on draws of
    its own. What numbers of classes forbid is replaced as in `AutoAttack`, of which this is `version=rand`.
    """

    library = "pyautoattack"
    kind: ClassVar[type[AutoAttack]]
    n_iter: int = 100
    n_restarts: int = 1
    eot_iter: int = 20

    def __post_init__(self) -> None:
        self._whole()

    def perturb(self, victim: Victim, batch: Batch, threat: ThreatModel, rng: Generator) -> Perturbed:
        """The images of `AutoAttack` with version "rand", equal to the library's bit for bit."""
        return self._whole().perturb(victim, batch, threat, rng)

    def _whole(self) -> AutoAttack:
        return self.kind("rand", n_iter=self.n_iter, n_restarts=self.n_restarts, eot_iter=self.eot_iter)


_SUMMARY = (
    "AutoAttack's version for random defenses in {norm} (Croce and Hein 2020, 2003.01690): APGD-CE, APGD-DLR, EOT 20."
)
AutoAttackRandLinf = in_norm(AutoAttackRand, "linf", _SUMMARY.format(norm="linf"), kind=AutoAttackLinf)
AutoAttackRandL2 = in_norm(AutoAttackRand, "l2", _SUMMARY.format(norm="l2"), kind=AutoAttackL2)
