"""Corruption by drops of water or mud on the lens, with OpenCV's own steps where the authors use them."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy import ndimage

from attacks.corruptions.images import Bytes, Image, Whole, tinted

WATER = (175 / 255, 238 / 255, 238 / 255)
MUD = (63 / 255, 42 / 255, 20 / 255)
RELIEF = np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]])
FARTHEST = 20
"""Distances from a drop's edge are cut off here, in pixels."""
CHAMFER = (1.0, 1.4, 2.1969)
"""The lengths of a level, a diagonal and a knight's step in OpenCV's 5 x 5 mask."""


def spatter(
    image: Image,
    rng: Generator,
    mean: float,
    deviation: float,
    sigma: float,
    threshold: float,
    strength: float,
    mud: float,
) -> Image:
    """Drops where normal noise, blurred by `sigma` pixels, exceeds `threshold`.

    Water (`mud` 0) brightens by `strength`; mud covers, its drops blurred by `strength` pixels.
    """
    liquid = rng.normal(size=image.shape[:2], loc=mean, scale=deviation)
    liquid = ndimage.gaussian_filter(liquid, sigma, mode="nearest", truncate=4)
    liquid[liquid < threshold] = 0
    channels = image.shape[2]
    if mud:
        cover = (liquid > threshold).astype(np.float32)
        cover = ndimage.gaussian_filter(cover, strength, mode="nearest", truncate=4)[..., None]
        cover[cover < 0.8] = 0
        return np.asarray(image * (1 - cover) + tinted(MUD, channels) * cover)
    drops = (liquid * 255).astype(np.uint8)
    light = drops * _relief(drops).astype(np.float32)
    return np.asarray(image + tinted(WATER, channels) * (light / max(light.max(), 1) * strength)[..., None])


def _relief(drops: Bytes) -> Bytes:
    """How brightly each pixel (H, W) is lit, from its distance to the edges of the drops."""
    distance = (_summed(_distances(edges(drops))) * (1 / 9)).astype(np.float32)
    levels = equalised(distance.astype(np.uint8)).astype(np.int64)
    lit = ndimage.correlate(levels, RELIEF, mode="mirror").clip(0, 255)
    return ((_summed(lit) + 4) // 9).astype(np.uint8)


def edges(drops: Bytes, low: int = 50, high: int = 150) -> NDArray[np.bool_]:
    """The edges (H, W) that OpenCV's Canny finds with 3 x 3 Sobel filters and the gradient's l1 norm."""
    smooth, rise = np.array([1, 2, 1]), np.array([-1, 0, 1])
    values = drops.astype(np.int64)
    right = ndimage.correlate(values, np.outer(smooth, rise), mode="nearest")
    down = ndimage.correlate(values, np.outer(rise, smooth), mode="nearest")
    strength = np.abs(right) + np.abs(down)
    framed = np.pad(strength, 1)
    height, width = drops.shape

    def beside(lower: int, further: int) -> Whole:
        return framed[1 + lower :, 1 + further :][:height, :width]

    flat = np.abs(right) * 13573  # tan 22.5 degrees in 15 bits
    steep = flat + (np.abs(right) << 16)
    rising = np.abs(down) << 15
    level = (strength > beside(0, -1)) & (strength >= beside(0, 1))
    upright = (strength > beside(-1, 0)) & (strength >= beside(1, 0))
    falling = (strength > beside(-1, -1)) & (strength > beside(1, 1))
    climbing = (strength > beside(-1, 1)) & (strength > beside(1, -1))
    slanted = np.where((right ^ down) < 0, climbing, falling)
    ridge = np.where(rising < flat, level, np.where(rising > steep, upright, slanted)) & (strength > low)
    parts, _ = ndimage.label(ridge, np.ones((3, 3)))
    return np.asarray(ridge & np.isin(parts, parts[ridge & (strength > high)]))


def equalised(levels: Bytes) -> Bytes:
    """Levels (H, W) spread evenly over 0 to 255, as OpenCV's equalizeHist does; a single level stays."""
    counts = np.bincount(levels.ravel(), minlength=256)
    first = int((counts > 0).argmax())
    others = levels.size - int(counts[first])
    if others == 0:
        return levels
    counts[: first + 1] = 0
    scale = np.float32(255) / np.float32(others)
    spread = np.rint(counts.cumsum().astype(np.float32) * scale).clip(0, 255).astype(np.uint8)
    return np.asarray(spread[levels])


def _distances(found: NDArray[np.bool_]) -> Image:
    """The length (H, W) of the shortest way to an edge in steps of OpenCV's mask, up to `FARTHEST`."""
    if not found.any():
        return np.full(found.shape, float(FARTHEST))
    nearest = ndimage.distance_transform_edt(~found, return_distances=False, return_indices=True)
    distances = _length(*np.sort(np.abs(nearest - np.indices(found.shape)), axis=0))
    offsets = np.abs(np.indices((5, 5)) - 2)
    steps = np.where(offsets.max(0) * offsets.min(0) == 4, 10 * FARTHEST, _length(*np.sort(offsets, axis=0)))
    while True:  # the nearest edge as the crow flies is seldom not the nearest in steps
        nearer = ndimage.grey_erosion(distances, structure=-steps, mode="constant", cval=np.inf)
        if np.array_equal(nearer, distances):
            return np.minimum(distances, FARTHEST)
        distances = nearer


def _length(near: Whole, far: Whole) -> Image:
    """The length of a way from its shorter and its longer side, in OpenCV's 16-bit fractions."""
    level, slanted, knight = (round(length * 2**16) / 2**16 for length in CHAMFER)
    shallow = (far - 2 * near) * level + near * knight
    steep = (2 * near - far) * slanted + (far - near) * knight
    return np.where(far >= 2 * near, shallow, steep)


def _summed(values: NDArray[np.float64] | Whole) -> NDArray[np.float64]:
    """Each pixel's 3 x 3 sum; the image is mirrored outside."""
    return np.asarray(ndimage.correlate(values, np.ones((3, 3)), mode="mirror"))
