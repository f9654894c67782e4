"""From an 8-bit image to its corrupted self."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.random import Generator

from attacks.corruptions import blur, digital, noise, spatter, weather
from attacks.corruptions.images import Bytes, Image
from attacks.corruptions.severities import setting
from bench import CorruptionKind

FUNCTIONS: Mapping[CorruptionKind, Callable[..., Image | Bytes]] = {
    "gaussian_noise": noise.gaussian_noise,
    "shot_noise": noise.shot_noise,
    "impulse_noise": noise.impulse_noise,
    "defocus_blur": blur.defocus_blur,
    "glass_blur": blur.glass_blur,
    "motion_blur": blur.motion_blur,
    "zoom_blur": blur.zoom_blur,
    "snow": weather.snow,
    "frost": weather.frost,
    "fog": weather.fog,
    "brightness": digital.brightness,
    "contrast": digital.contrast,
    "elastic_transform": digital.elastic_transform,
    "pixelate": digital.pixelate,
    "jpeg_compression": digital.jpeg_compression,
    "speckle_noise": noise.speckle_noise,
    "gaussian_blur": blur.gaussian_blur,
    "spatter": spatter.spatter,
    "saturate": digital.saturate,
}
"""Each takes an image (H, W, C) in [0, 1], a generator and its numbers, and gives such an image, which may leave
[0, 1], or a finished 8-bit one."""


def corrupted(pixels: Bytes, kind: CorruptionKind, severity: int, rng: Generator) -> Bytes:
    """The image (H, W, C), of 1 or 3 channels, after a corruption of a severity (1 to 5), cut off to 8 bits."""
    numbers = setting(kind, severity, min(pixels.shape[:2]))
    found = FUNCTIONS[kind](pixels / 255, rng, *numbers)
    if found.dtype == np.uint8:
        return found.astype(np.uint8)
    return (found.clip(0, 1) * 255).astype(np.uint8)
