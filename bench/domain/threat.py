"""What an attacker may change, measured and enforced on every image."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Literal

from bench.domain.errors import UsageError, closest
from bench.domain.flow import warp

if TYPE_CHECKING:
    from torch import Tensor

NORMS = ("linf", "l2", "l1", "l0", "flow", "corruption")
UNTOUCHED = "none"
"""The norm of images that nobody changes; its epsilon is 0."""
SEVERITIES = range(1, 6)
CorruptionKind = Literal[
    "gaussian_noise",
    "shot_noise",
    "impulse_noise",
    "defocus_blur",
    "glass_blur",
    "motion_blur",
    "zoom_blur",
    "snow",
    "frost",
    "fog",
    "brightness",
    "contrast",
    "elastic_transform",
    "pixelate",
    "jpeg_compression",
    "speckle_noise",
    "gaussian_blur",
    "spatter",
    "saturate",
]
"""The 15 common corruptions (Hendrycks and Dietterich 2019, 1903.12261), then the 4 extra ones; named as the files of
CIFAR-10-C are."""
LONGEST = 200
"""Letters of a number that is written down."""
_EXPONENT = re.compile(r"e[+-]?\d{3}", re.IGNORECASE)

# AutoAttack's float32 projections overshoot a budget by up to 7.5e-6 of it; anything beyond is a defect of the attack.
RELATIVE_TOLERANCE = 1e-5
# clean + delta is rounded to a float32 pixel in [0, 1]: half a unit in the last place of 1.
ROUNDING = 2.0**-24


@dataclass(frozen=True)
class ThreatModel:
    """All images in [0, 1] within `epsilon` of the clean one in `norm`.

    Epsilon is exact and in pixel units: `Fraction(8, 255)`. For l0 it counts changed pixels (all channels of a
    position together). Two norms need a witness, for the images alone cannot prove that they are admissible:

    - flow: the image is the clean one bent by a flow field (N, 2, H, W), the witness, whose largest entry is the
      distance; the bending is done again by `bench.domain.flow.warp` and compared.
    - corruption: epsilon is a severity from 1 to 5 (Hendrycks and Dietterich 2019, 1903.12261), the witness (N,) the
      severities. What a corruption is cannot be proven by its images: the harness demands instead that nothing was
      asked of the victim.
    """

    norm: str
    epsilon: Fraction

    def __post_init__(self) -> None:
        if self.norm == UNTOUCHED and self.epsilon == 0:
            return
        if self.norm not in NORMS:
            raise UsageError(f"No norm is called {self.norm!r}.{closest(self.norm, NORMS)}")
        if self.epsilon <= 0:
            raise UsageError(f"Epsilon must be above 0; got {self.epsilon}.")
        if self.norm == "linf" and self.epsilon > 1:
            raise UsageError(
                f"Epsilon {format_epsilon(self.epsilon)} is out of range for linf: pixels lie in [0, 1], so it must "
                f"not exceed 1. Write budgets of 8-bit pixels as a fraction: 8/255."
            )
        if self.norm == "corruption" and self.epsilon not in SEVERITIES:
            raise UsageError(f"A corruption's epsilon is its severity, 1, 2, 3, 4 or 5; got {self.epsilon}.")

    @property
    def radius(self) -> float:
        """Epsilon as a float."""
        return float(self.epsilon)

    @property
    def needs_witness(self) -> bool:
        """Whether images alone cannot prove that they are admissible."""
        return self.norm in ("flow", "corruption")

    def distance(self, clean: Tensor, perturbed: Tensor, witness: Tensor | None = None) -> Tensor:
        """Distances (N,) float64 in this norm between images (N, C, H, W); infinite where a witness is lacking."""
        if self.needs_witness:
            return self._witnessed(clean, witness)
        delta = (perturbed.double() - clean.double()).flatten(2).abs()
        if self.norm == "l0":
            return (delta.amax(1) > 0).sum(1).double()
        flat = delta.flatten(1)
        if self.norm in ("linf", UNTOUCHED):
            return flat.amax(1)
        if self.norm == "l1":
            return flat.sum(1)
        return flat.square().sum(1).sqrt()

    def admits(self, clean: Tensor, perturbed: Tensor, witness: Tensor | None = None) -> Tensor:
        """Which images (N,) bool are finite, in [0, 1], within epsilon of the clean ones, and as their witness says."""
        values = perturbed.flatten(1)
        finite = values.isfinite().all(1)
        in_range = ((values >= 0) & (values <= 1)).all(1)
        within = self.distance(clean, perturbed, witness) <= self._tolerated(clean)
        if self.norm == "flow" and witness is not None and bool(within.any()):
            # bilinear weights are differences of places in units of pixels, so their rounding grows with the image
            rounding = 8 * max(clean.shape[2:]) * ROUNDING
            bent = warp(clean, witness.nan_to_num(0, 0, 0).to(clean))
            within = within & ((bent - perturbed).flatten(1).abs() <= rounding).all(1)
        return finite & in_range & within

    def project(self, clean: Tensor, perturbed: Tensor) -> Tensor:
        """The images brought back into the budget and [0, 1]; exact for linf and l2, in the dtype of `clean`.

        Raises `UsageError` for the other norms, whose projections no built-in attack needs.
        """
        delta = perturbed - clean
        moved: Tensor
        if self.norm == "linf":
            moved = clean + delta.clamp(-self.radius, self.radius)
        elif self.norm == "l2":
            length = delta.flatten(1).norm(dim=1).clamp_min(1e-12).view(-1, 1, 1, 1)
            moved = clean + delta * (self.radius / length).clamp_max(1)
        else:
            raise UsageError(f"There is no projection onto the budget of {self.norm}; project inside the attack.")
        return moved.clamp(0, 1)

    def document(self) -> dict[str, str]:
        """Plain data from which `from_document` rebuilds this threat model exactly."""
        return {"norm": self.norm, "epsilon": str(self.epsilon)}

    @classmethod
    def from_document(cls, document: dict[str, str]) -> ThreatModel:
        """The threat model that `document()` described."""
        return cls(document["norm"], exact(str(document["epsilon"])))

    def __str__(self) -> str:
        if self.norm == UNTOUCHED:
            return "no change"
        return f"{self.norm} {format_epsilon(self.epsilon)}"

    def _witnessed(self, clean: Tensor, witness: Tensor | None) -> Tensor:
        import torch

        expected = (len(clean), 2, *clean.shape[2:]) if self.norm == "flow" else (len(clean),)
        if witness is None or witness.shape != expected:
            return torch.full((len(clean),), torch.inf, dtype=torch.float64, device=clean.device)
        return witness.double().to(clean.device).view(len(clean), -1).abs().amax(1).nan_to_num(torch.inf)

    def _tolerated(self, clean: Tensor) -> float:
        if self.norm in ("l0", "corruption", UNTOUCHED):
            return self.radius
        dimensions = clean[0].numel()
        scale = {"linf": 1.0, "l2": math.sqrt(dimensions), "l1": float(dimensions), "flow": 1.0}[self.norm]
        return self.radius * (1 + RELATIVE_TOLERANCE) + scale * ROUNDING


def exact(text: str) -> Fraction:
    """The exact number that a text is, '8/255', '0.05' or '1e-3'; `ValueError` for no number, and for one so long that
    only to work it out would take the machine's memory, such as 1e999999999."""
    if len(text) > LONGEST or _EXPONENT.search(text):
        raise ValueError(f"{text[:LONGEST]!r} is no number of ordinary size")
    try:
        return Fraction(text.strip())
    except ZeroDivisionError:
        raise ValueError(f"{text!r} is divided by 0") from None


def parse_epsilon(text: str) -> Fraction:
    """An exact epsilon from '8/255', '0.05' or '12'; `UsageError` for anything else."""
    try:
        return exact(text)
    except ValueError:
        raise UsageError(f"Epsilon {text[:LONGEST]!r} is not a number; write it like 8/255 or 0.05.") from None


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
