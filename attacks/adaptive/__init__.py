"""The strongest attack that is known on each kind of defense, composed from what is seen of the classifier."""

from __future__ import annotations

from attacks.adaptive.recipe import Adaptive, AdaptiveL2, AdaptiveLinf

__all__ = ["Adaptive", "AdaptiveL2", "AdaptiveLinf"]
