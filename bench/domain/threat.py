"""What an attacker may change, measured and enforced on every image."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from bench.domain.errors import UsageError, closest

if TYPE_CHECKING:
    from torch import Tensor

NORMS = ("linf", "l2", "l1", "l0")

# AutoAttack's float32 projections overshoot a budget by up to 7.5e-6 of it; anything beyond is a defect of the attack.
RELATIVE_TOLERANCE = 1e-5
# clean + delta is rounded to a float32 pixel in [0, 1]: half a unit in the last place of 1.
ROUNDING = 2.0**-24


@dataclass(frozen=True)
class ThreatModel:
    """All images in [0, 1] within `epsilon` of the clean one in `norm`.

    Epsilon is exact and in pixel units: `Fraction(8, 255)`. For l0 it counts changed pixels (all channels of a
    position together).
    """

    norm: str
    epsilon: Fraction

    def __post_init__(self) -> None:
        if self.norm not in NORMS:
            raise UsageError(f"No norm is called {self.norm!r}.{closest(self.norm, NORMS)}")
        if self.epsilon <= 0:
            raise UsageError(f"Epsilon must be above 0; got {self.epsilon}.")
        if self.norm == "linf" and self.epsilon > 1:
            raise UsageError(
                f"Epsilon {format_epsilon(self.epsilon)} is out of range for linf: pixels lie in [0, 1], so it must "
                f"not exceed 1. Write budgets of 8-bit pixels as a fraction: 8/255."
            )

    @property
    def radius(self) -> float:
        """Epsilon as a float."""
        return float(self.epsilon)

    def distance(self, clean: Tensor, perturbed: Tensor) -> Tensor:
        """Distances (N,) float64 in this norm between images (N, C, H, W)."""
        delta = (perturbed.double() - clean.double()).flatten(2).abs()
        if self.norm == "l0":
            return (delta.amax(1) > 0).sum(1).double()
        flat = delta.flatten(1)
        if self.norm == "linf":
            return flat.amax(1)
        if self.norm == "l1":
            return flat.sum(1)
        return flat.square().sum(1).sqrt()

    def admits(self, clean: Tensor, perturbed: Tensor, witness: Tensor | None = None) -> Tensor:
        """Which images (N,) bool are finite, in [0, 1] and within epsilon of the clean ones; needs no witness."""
        values = perturbed.flatten(1)
        finite = values.isfinite().all(1)
        in_range = ((values >= 0) & (values <= 1)).all(1)
        return finite & in_range & (self.distance(clean, perturbed) <= self._tolerated(clean))

    def project(self, clean: Tensor, perturbed: Tensor) -> Tensor:
        """The images brought back into the budget and [0, 1]; exact for linf and l2, in the dtype of `clean`.

        Raises `UsageError` for l1 and l0, whose projections no built-in attack needs.
        """
        delta = perturbed - clean
        moved: Tensor
        if self.norm == "linf":
            moved = clean + delta.clamp(-self.radius, self.radius)
        elif self.norm == "l2":
            length = delta.flatten(1).norm(dim=1).clamp_min(1e-12).view(-1, 1, 1, 1)
            moved = clean + delta * (self.radius / length).clamp_max(1)
        else:
            raise UsageError(f"There is no projection onto the {self.norm} ball; project inside the attack.")
        return moved.clamp(0, 1)

    def document(self) -> dict[str, str]:
        """Plain data from which `from_document` rebuilds this threat model exactly."""
        return {"norm": self.norm, "epsilon": str(self.epsilon)}

    @classmethod
    def from_document(cls, document: dict[str, str]) -> ThreatModel:
        """The threat model that `document()` described."""
        return cls(document["norm"], Fraction(document["epsilon"]))

    def __str__(self) -> str:
        return f"{self.norm} {format_epsilon(self.epsilon)}"

    def _tolerated(self, clean: Tensor) -> float:
        dimensions = clean[0].numel()
        rounding = {"linf": 1.0, "l2": math.sqrt(dimensions), "l1": float(dimensions), "l0": 0.0}[self.norm] * ROUNDING
        return self.radius * (1 + (0.0 if self.norm == "l0" else RELATIVE_TOLERANCE)) + rounding


def parse_epsilon(text: str) -> Fraction:
    """An exact epsilon from '8/255', '0.05' or '12'; `UsageError` for anything else."""
    try:
        return Fraction(text.strip())
    except (ValueError, ZeroDivisionError):
        raise UsageError(f"Epsilon {text!r} is not a number; write it like 8/255 or 0.05.") from None


def format_epsilon(epsilon: Fraction) -> str:
    """Epsilon as people write it: '8/255' where 255 explains it, else a decimal where that is exact."""
    odd = epsilon.denominator
    for prime in (2, 5):
        while odd % prime == 0:
            odd //= prime
    if odd == 1:
        return f"{float(epsilon):g}"
    if 255 % epsilon.denominator == 0:
        return f"{int(epsilon * 255)}/255"
    return str(epsilon)
