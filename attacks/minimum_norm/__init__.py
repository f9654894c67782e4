"""Attacks that look for the nearest misclassified image: DDN, FMN, PDPGD and sigma-zero."""

from __future__ import annotations

from attacks.minimum_norm.ddn import DdnL2
from attacks.minimum_norm.fmn import FmnL0, FmnL1, FmnL2, FmnLinf
from attacks.minimum_norm.pdpgd import PdpgdL1, PdpgdL2, PdpgdLinf
from attacks.minimum_norm.sigma_zero import SigmaZeroL0

__all__ = ["DdnL2", "FmnL0", "FmnL1", "FmnL2", "FmnLinf", "PdpgdL1", "PdpgdL2", "PdpgdLinf", "SigmaZeroL0"]
