"""An attack proposes perturbed images; it never judges itself. A certifier asks the harness for a proof instead."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from bench.domain.dataset import Batch
    from bench.domain.queries.victim import Victim
    from bench.domain.threat import ThreatModel

Knowledge = Literal["black-box", "white-box", "adaptive", "certified"]


@dataclass(frozen=True)
class Perturbed:
    """What an attack proposes: images (N, C, H, W), a witness where the images alone cannot prove admissibility, and
    remarks on its own run (AutoAttack's flags) that the reader of the number should see.

    An attack that looks for the smallest perturbation gives `closest` as well: images (N, C, H, W) in [0, 1] at any
    distance, each the nearest misclassified one that it found, or the clean image; their judged distances give the
    accuracy at every epsilon. `broken_at` (N,) int64 says in which of its iterations, from 1, an attack first saw the
    sample misclassified: 0 where the clean image already was, -1 never. `fell_to` names for each sample the part of an
    ensemble that misled the victim: "clean" where the clean image did, "" where none did. `told` are counts of its run
    by name ("silent": 3), which are summed over the shards; they are the attack's word, and nothing is judged by them.
    """

    images: Tensor
    witness: Tensor | None = None
    remarks: tuple[str, ...] = ()
    closest: Tensor | None = None
    broken_at: Tensor | None = None
    fell_to: tuple[str, ...] | None = None
    told: Mapping[str, int] = field(default_factory=dict)


class Attack(ABC):
    """A recipe for perturbed images. Subclasses are frozen dataclasses: their fields are their settings."""

    revision: ClassVar[str] = "1"
    norm: ClassVar[str]
    """The norm in which the attack spends its budget."""
    knowledge: ClassVar[Knowledge] = "white-box"
    """What it means to use of the victim: logits (black-box), gradients (white-box), the defense's own mechanism
    (adaptive). What it did use is observed. 'certified' is no attack but a proof that none succeeds."""
    library: ClassVar[str] = ""
    """The distribution whose implementation runs, where it is another's."""

    @abstractmethod
    def perturb(self, victim: Victim, batch: Batch, threat: ThreatModel, rng: Generator) -> Perturbed:
        """Images within `threat` of the batch's that the victim should misclassify; all randomness from `rng`.

        The batch is the attack's own copy, but it must not be written into. Library code that draws from torch's global
        generator runs in a scope that the harness has seeded from `rng`.
        """


@dataclass(frozen=True)
class Smoothing:
    """How randomized smoothing is certified (Cohen et al. 2019, 1902.02918, CERTIFY): `n0` noisy copies choose the
    class, `n` others bound its probability, at the level `alpha`."""

    n0: int
    n: int
    alpha: float


class Certifier(Attack):
    """No attack but the settings of a proof; the harness draws the noise, counts, and computes the radius itself."""

    knowledge = "certified"

    @abstractmethod
    def smoothing(self) -> Smoothing:
        """How the classifier's smoothing is to be certified."""

    def perturb(self, victim: Victim, batch: Batch, threat: ThreatModel, rng: Generator) -> Perturbed:
        """The images as they are: a proof changes none."""
        return Perturbed(batch.images.clone())
