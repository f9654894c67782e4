"""From an 8-bit image to its corrupted self."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.random import Generator

from attacks.corruptions import blur, digital, noise, spatter, weather
from attacks.corruptions.images import Bytes, Image
from attacks.corruptions.severities import KINDS, setting

_DEFINED = {name: found for module in (noise, blur, weather, digital, spatter) for name, found in vars(module).items()}
FUNCTIONS: dict[str, Callable[..., Image | Bytes]] = {kind: _DEFINED[kind] for kind in KINDS}
"""The function of each kind's name: it takes an image (H, W, C) in [0, 1], a generator and its numbers, and gives such
an image, which may leave [0, 1], or a finished 8-bit one."""


def corrupted(pixels: Bytes, kind: str, severity: int, rng: Generator) -> Bytes:
    """The image (H, W, C), of 1 or 3 channels, after a corruption of a severity (1 to 5), cut off to 8 bits."""
    numbers = setting(kind, severity, min(pixels.shape[:2]))
    found = FUNCTIONS[kind](pixels / 255, rng, *numbers)
    if found.dtype == np.uint8:
        return found.astype(np.uint8)
    return (found.clip(0, 1) * 255).astype(np.uint8)
