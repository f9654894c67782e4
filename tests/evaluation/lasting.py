"""An attack without an end, found by the tests as `tests.evaluation.lasting:Lasting`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from bench import Attack, Batch, Perturbed, ThreatModel, Victim

if TYPE_CHECKING:
    from torch import Generator


@dataclass(frozen=True)
class Lasting(Attack):
    """Asks about its images for ever, and says that so many questions are all, if it says anything."""

    norm: ClassVar[str] = "linf"
    knowledge = "black-box"
    of: int = 0

    def perturb(self, victim: Victim, batch: Batch, threat: ThreatModel, rng: Generator) -> Perturbed:
        asked = 0
        while True:
            victim(batch.images)
            asked += 1
            if self.of:
                victim.watch(asked, self.of, "questions")
