"""Plugins that fail while a plan is made, found by the tests as `tests.evaluation.nonsense:Name`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from bench import Attack, Batch, ImageSet, Perturbed, ThreatModel, Victim
from tests.plugins import Halves


@dataclass(frozen=True)
class Images(Halves):
    """Points of which something is wrong."""

    fault: str = "none"
    budgets: ClassVar[Mapping[str, str]] = {"linf": "plenty"}

    def load(self, split: str, folder: Path | None) -> ImageSet:
        if self.fault == "raises":
            raise KeyError("lost")
        if self.fault == "leaves":
            raise SystemExit(3)
        found = super().load(split, folder)
        if self.fault == "decode":
            return ImageSet(found.task, found.labels, lambda index: found.decode(index + 1000))
        return None if self.fault == "nothing" else found  # type: ignore[return-value]  # that is the fault


@dataclass(frozen=True)
class Nameless(Attack):
    """Has no norm."""

    def perturb(self, victim: Victim, batch: Batch, threat: ThreatModel, rng: object) -> Perturbed:
        return Perturbed(batch.images)


@dataclass(frozen=True)
class Knowing(Nameless):
    """Claims a knowledge that is none."""

    norm: ClassVar[str] = "linf"
    knowledge = "everything"  # type: ignore[assignment]  # that is the fault


@dataclass(frozen=True)
class Proof(Nameless):
    """Calls itself a proof."""

    norm: ClassVar[str] = "linf"
    knowledge = "certified"
