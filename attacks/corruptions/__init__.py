"""Common corruptions of images, in five severities."""

from __future__ import annotations

from attacks.corruptions.recipe import Corruption

__all__ = ["Corruption"]
