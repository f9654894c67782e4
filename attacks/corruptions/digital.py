"""Corruptions by processing: brightness, contrast, saturation, elastic bending, coarse pixels, JPEG."""

from __future__ import annotations

from io import BytesIO

import numpy as np
from numpy.random import Generator
from PIL import Image as Pillow
from scipy import ndimage

from attacks.corruptions.images import Bytes, Image, Whole


def brightness(image: Image, rng: Generator, added: float) -> Image:
    """The same hue and saturation at a higher value (the largest channel), which ends at 1."""
    value = image.max(2, keepdims=True)
    share = np.where(value > 0, image / np.maximum(value, 1e-12), 1)
    return np.asarray(share * np.minimum(value + added, 1))


def contrast(image: Image, rng: Generator, kept: float) -> Image:
    """Values drawn towards their channel's mean."""
    means = image.mean((0, 1), keepdims=True)
    return np.asarray((image - means) * kept + means)


def saturate(image: Image, rng: Generator, factor: float, added: float) -> Image:
    """Another saturation at the same hue and value; a grey pixel has the hue red, a grey image stays as it is."""
    if image.shape[2] == 1:
        return image
    value = image.max(2, keepdims=True)
    span = value - image.min(2, keepdims=True)
    depth = np.where(span > 0, (value - image) / np.maximum(span, 1e-12), [0.0, 1.0, 1.0])
    saturation = (span / np.maximum(value, 1e-12) * factor + added).clip(0, 1)
    return np.asarray(value * (1 - saturation * depth))


def elastic_transform(image: Image, rng: Generator, alpha: float, sigma: float, shift: float) -> Image:
    """A random affine map of three points, each moved by up to `shift`, then a smooth random displacement.

    `alpha` scales and `sigma` smooths the displacement; all three are shares of the shorter side.
    """
    height, width, _ = image.shape
    side = min(height, width)
    middle, arm = np.array([width // 2, height // 2], dtype=np.float64), side // 3
    corners = np.array([middle + arm, [middle[0] + arm, middle[1] - arm], middle - arm])
    moves = rng.uniform(-shift * side, shift * side, size=corners.shape)
    rows, columns = np.meshgrid(np.arange(height), np.arange(width), indexing="ij")
    bent = _sampled(image, *_before(corners, corners + moves, rows, columns), "mirror")

    def displacement() -> Image:
        field = rng.uniform(-1, 1, size=(height, width))
        return np.asarray(ndimage.gaussian_filter(field, sigma * side, mode="reflect", truncate=3) * alpha * side)

    across, along = displacement(), displacement()
    return _sampled(bent, rows + along, columns + across, "reflect")


def pixelate(image: Image, rng: Generator, share: float) -> Bytes:
    """The image reduced to this share of its size by means of boxes, and enlarged again."""
    height, width, _ = image.shape
    small = (max(int(width * share), 1), max(int(height * share), 1))
    reduced = _picture(image).resize(small, Pillow.Resampling.BOX)
    return _pixels(reduced.resize((width, height), Pillow.Resampling.BOX))


def jpeg_compression(image: Image, rng: Generator, quality: float) -> Bytes:
    """The image as JPEG of this quality gives it back."""
    file = BytesIO()
    _picture(image).save(file, "JPEG", quality=int(quality))
    with Pillow.open(file) as compressed:
        return _pixels(compressed)


def _before(old: Image, new: Image, rows: Whole, columns: Whole) -> tuple[Image, Image]:
    """Where places (rows, columns) lay before the affine map that takes three points (3, 2) as (x, y) to new ones."""
    inverse = np.linalg.solve(np.column_stack([new, np.ones(3)]), old)
    x, y = (columns * inverse[0, axis] + rows * inverse[1, axis] + inverse[2, axis] for axis in (0, 1))
    return y, x


def _sampled(image: Image, rows: Image, columns: Image, outside: str) -> Image:
    """The image (H, W, C) at places between its pixels, linearly; `outside` is scipy's word for what lies there."""
    channels = np.moveaxis(image, -1, 0)
    return np.stack([ndimage.map_coordinates(one, [rows, columns], order=1, mode=outside) for one in channels], -1)


def _picture(image: Image) -> Pillow.Image:
    pixels = (image * 255).round().astype(np.uint8)
    return Pillow.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)


def _pixels(picture: Pillow.Image) -> Bytes:
    pixels = np.asarray(picture)
    return pixels[..., None] if pixels.ndim == 2 else pixels
