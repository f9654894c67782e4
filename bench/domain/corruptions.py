"""The common corruptions of images by name."""

from __future__ import annotations

from typing import Literal

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
