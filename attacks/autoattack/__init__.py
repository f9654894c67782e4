"""AutoAttack in three norms, and its version for random defenses."""

from __future__ import annotations

from attacks.autoattack.rand import AutoAttackRandL2, AutoAttackRandLinf
from attacks.autoattack.recipe import AutoAttackL1, AutoAttackL2, AutoAttackLinf

__all__ = ["AutoAttackL1", "AutoAttackL2", "AutoAttackLinf", "AutoAttackRandL2", "AutoAttackRandLinf"]
