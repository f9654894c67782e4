"""What corruptions work on: images as arrays, and their luminance."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.float64]
"""An image (H, W, C) in [0, 1], or one value a pixel."""
Bytes = NDArray[np.uint8]
Whole = NDArray[np.int64]
LUMINANCE = np.array([0.299, 0.587, 0.114])
"""The share of red, green and blue in a grey value (ITU-R 601)."""


def grey(image: Image) -> Image:
    """The luminance (H, W, 1) of an image."""
    return image if image.shape[2] == 1 else np.asarray(image @ LUMINANCE)[..., None]


def tinted(colour: tuple[float, float, float], channels: int) -> Image:
    """A colour as so many channels: itself or, for one, its luminance."""
    return np.array(colour) if channels == 3 else np.array([LUMINANCE @ np.array(colour)])
