"""What one sample did, and what one shard cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bench.domain.facts import Facts


@dataclass(frozen=True)
class Outcome:
    """One sample's result; `clean` and `perturbed` hold one predicted class a judging draw.

    `radius` is that within which the label is certified, 0 where another class or none is; None without a certifier.
    `minimal` is the distance of the nearest image that an attack found and the judge saw misclassified by at least half
    of the draws, infinite where there is none; None where no attack looked for it. `broken_at` is the attack's
    iteration that first misled the classifier, 0 where the clean image does, -1 where none did; None where unknown.
    `fell_to` is the part of an ensemble of attacks that misled the attacked classifier: "clean" where the clean image
    did, "" where none did; None where there are no parts.
    """

    index: int
    label: int
    clean: tuple[int, ...]
    perturbed: tuple[int, ...]
    distance: float
    radius: float | None = None
    minimal: float | None = None
    broken_at: int | None = None
    fell_to: str | None = None

    @property
    def clean_rate(self) -> float:
        """Share of draws in which the clean image is classified correctly."""
        return self.clean.count(self.label) / len(self.clean)

    @property
    def robust_rate(self) -> float:
        """Share of draws in which the perturbed image is classified correctly."""
        return self.perturbed.count(self.label) / len(self.perturbed)


@dataclass(frozen=True)
class ShardResult:
    """A finished shard.

    `invalid` says why its outcomes are no evidence, and whose fault that is (None: they are). `perturbed_sha256`
    names the artifact that holds the judged images. Passes are counted in samples, memory in bytes. `facts` is what the
    harness observed; None in what a bench older than 0.2 has measured.
    """

    index: int
    outcomes: tuple[Outcome, ...]
    forwards: int
    backwards: int
    seconds: float
    peak_memory: int
    perturbed_sha256: str
    invalid: str | None = None
    remarks: tuple[str, ...] = ()
    environment: Mapping[str, Any] = field(default_factory=dict)
    facts: Facts | None = None
