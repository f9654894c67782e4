"""AutoAttack in two norms."""

from __future__ import annotations

from attacks.autoattack.recipe import AutoAttackL2, AutoAttackLinf

__all__ = ["AutoAttackL2", "AutoAttackLinf"]
