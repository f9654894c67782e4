"""Certificates of smoothed classifiers: no attack, but radii within which none can succeed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from bench import Certifier, Smoothing, UsageError


@dataclass(frozen=True)
class CertifyL2(Certifier):
    """CERTIFY of randomized smoothing (Cohen et al. 2019, 1902.02918): an l2 radius a sample, wrong with probability
    `alpha`.

    `n0` noisy copies choose the class, `n` others bound its probability from below by p (one-sided Clopper-Pearson):
    the radius is sigma times the normal quantile of p, and below p = 1/2 the certifier abstains. The paper takes
    n = 100,000; the default is a tenth of it, with which the largest radius is 3.20 instead of 3.81 sigma.
    """

    norm: ClassVar[str] = "l2"
    n0: int = 100
    n: int = 10_000
    alpha: float = 0.001

    def __post_init__(self) -> None:
        if self.n0 < 1 or self.n < 1:
            raise UsageError(f"n0 and n must be at least 1; got {self.n0} and {self.n}.")
        if not 0 < self.alpha < 1:
            raise UsageError(f"alpha must lie between 0 and 1; got {self.alpha}.")

    def smoothing(self) -> Smoothing:
        """The settings as they are."""
        return Smoothing(self.n0, self.n, self.alpha)
