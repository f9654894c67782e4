"""An attack proposes perturbed images; it never judges itself."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from bench.domain.dataset import Batch
    from bench.domain.threat import ThreatModel
    from bench.domain.victim import Victim

Knowledge = Literal["black-box", "white-box", "adaptive", "certified"]


@dataclass(frozen=True)
class Certificate:
    """What is proven of each image: its class (N,) int64, -1 where the certifier abstains, and the radius (N,) in the
    attack's norm within which the class cannot change."""

    predictions: Tensor
    radii: Tensor


@dataclass(frozen=True)
class Perturbed:
    """What an attack proposes: images (N, C, H, W), a witness where the images alone cannot prove admissibility, and
    remarks on its own run (AutoAttack's flags) that the reader of the number should see.

    A certifier proposes the clean images and a certificate, which then stands in the place of predictions. An attack
    that looks for the smallest perturbation gives `closest` as well: images (N, C, H, W) in [0, 1] at any distance,
    each the nearest misclassified one that it found, or the clean image; their judged distances give the accuracy at
    every epsilon. `broken_at` (N,) int64 says in which of its iterations, from 1, an attack first saw the sample
    misclassified: 0 where the clean image already was, -1 never.
    """

    images: Tensor
    witness: Tensor | None = None
    remarks: tuple[str, ...] = ()
    certificate: Certificate | None = None
    closest: Tensor | None = None
    broken_at: Tensor | None = None


class Attack(ABC):
    """A recipe for perturbed images. Subclasses are frozen dataclasses: their fields are their settings."""

    revision: ClassVar[str] = "1"
    norm: ClassVar[str]
    """The norm in which the attack spends its budget."""
    knowledge: ClassVar[Knowledge] = "white-box"
    """What it uses of the victim: logits (black-box), gradients (white-box), the defense's own mechanism (adaptive).
    'certified' is no attack but a proof that none succeeds."""

    @abstractmethod
    def perturb(self, victim: Victim, batch: Batch, threat: ThreatModel, rng: Generator) -> Perturbed:
        """Images within `threat` of the batch's that the victim should misclassify; all randomness from `rng`.

        Library code that draws from torch's global generator runs in a scope that the harness has seeded from `rng`.
        """
