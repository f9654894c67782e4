"""Corruptions by blur: out of focus, through rough glass, in motion, in zoom."""

from __future__ import annotations

from functools import cache
from math import ceil, cos, hypot, radians, sin

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy import ndimage

from attacks.corruptions.images import Bytes, Image, Whole


def gaussian_blur(image: Image, rng: Generator, sigma: float) -> Image:
    """A Gaussian of `sigma` pixels, cut off at 4 sigma; the edge goes on outside."""
    return np.asarray(ndimage.gaussian_filter(image, (sigma, sigma, 0), mode="nearest", truncate=4))


def defocus_blur(image: Image, rng: Generator, radius: float, softness: float) -> Image:
    """The mean over a disk of `radius` pixels, whose rim a Gaussian of `softness` pixels smooths."""
    kernel = _disk(radius, softness)
    reach = len(kernel) // 2
    padded = np.pad(image, ((reach, reach), (reach, reach), (0, 0)), mode="reflect")
    shape, axes = padded.shape[:2], (0, 1)
    spectrum = np.fft.rfft2(padded, axes=axes) * np.fft.rfft2(kernel, shape)[..., None]
    return np.fft.irfft2(spectrum, shape, axes)[2 * reach :, 2 * reach :]


def glass_blur(image: Image, rng: Generator, sigma: float, reach: float, rounds: float) -> Image:
    """A Gaussian, then pixels in the place of neighbours up to `reach` away, `rounds` times, and a Gaussian again.

    The authors mean to swap the two pixels; what their code does, and so their data show, is to copy one of them.
    """
    blurred = (gaussian_blur(image, rng, sigma) * 255).astype(np.uint8)
    height, width, channels = blurred.shape
    pixels = blurred.reshape(-1, channels)
    for _ in range(int(rounds)):
        pixels = pixels[_shuffled(height, width, int(reach), rng)]
    return gaussian_blur(pixels.reshape(blurred.shape) / 255, rng, sigma)


def motion_blur(image: Image, rng: Generator, radius: float, sigma: float) -> Bytes:
    """A trail of `sigma` pixels in a direction within 45 degrees of the horizontal."""
    return moved((image * 255).round(), radius, sigma, rng.uniform(-45, 45))


def moved(pixels: Image, radius: float, sigma: float, angle: float) -> Bytes:
    """Pixels (H, W, C) in [0, 255] blurred one way along an angle in degrees, as ImageMagick's motion blur does it.

    The weights of 2 radius + 1 steps fall like one side of a Gaussian; the edge goes on outside; values are rounded.
    """
    width = 2 * ceil(radius) + 1
    steps = np.arange(width)
    weights = np.exp(-(steps**2) / (2 * sigma**2))
    weights /= weights.sum()
    down, right = width * sin(radians(angle)), width * cos(radians(angle))
    rows, columns = (np.arange(length) for length in pixels.shape[:2])
    total = np.zeros_like(pixels)
    for step, weight in enumerate(weights):
        lower = ceil(step * down / hypot(down, right) - 0.5)
        further = ceil(step * right / hypot(down, right) - 0.5)
        taken = pixels[(rows + lower).clip(0, rows[-1])]
        total += weight * taken[:, (columns + further).clip(0, columns[-1])]
    return (np.floor(total * 257 + 0.5) // 257).astype(np.uint8)


def zoom_blur(image: Image, rng: Generator, stop: float, step: float) -> Image:
    """The mean of the image and of its enlargements by the factors from 1 to `stop`."""
    factors = np.arange(1, stop, step)
    total = image + sum(enlarged(image, factor) for factor in factors)
    return np.asarray(total / (len(factors) + 1))


def enlarged(image: Image, factor: float) -> Image:
    """The middle of an image (H, W, C), enlarged linearly to its whole size."""
    for axis in (0, 1):
        lower, upper, share = _places(image.shape[axis], factor)
        share = share[:, None, None] if axis == 0 else share[:, None]
        image = image.take(lower, axis) * (1 - share) + image.take(upper, axis) * share
    return image


@cache
def _places(side: int, factor: float) -> tuple[Whole, Whole, Image]:
    """Between which two pixels of a line each pixel of its enlarged middle lies, and the upper one's share (side,)."""
    kept = ceil(side / factor)
    first, length = (side - kept) // 2, round(kept * factor)
    places = np.linspace(0, kept - 1, length)[(length - side) // 2 :][:side]
    lower = np.floor(places).astype(np.int64)
    return first + lower, first + np.minimum(lower + 1, kept - 1), places - lower


@cache
def _disk(radius: float, softness: float) -> Image:
    """A disk of sum 1, smoothed by 3 x 3 or, above 8 pixels, 5 x 5 weights, in single precision; without empty rim."""
    half = 8 if radius <= 8 else int(radius)
    line = np.arange(-half, half + 1)
    disk = (line[:, None] ** 2 + line**2 <= radius**2).astype(np.float32)
    disk /= disk.sum()
    steps = np.arange(-1, 2) if radius <= 8 else np.arange(-2, 3)
    weights = np.exp(-(steps**2) / (2 * softness**2))
    for axis in (0, 1):
        disk = ndimage.correlate1d(disk, weights / weights.sum(), axis, mode="mirror")
    empty = next(number for number in range(half + 1) if disk[number].any())
    return np.asarray(disk[empty : len(disk) - empty, empty : len(disk) - empty], dtype=np.float64)


def _shuffled(height: int, width: int, reach: int, rng: Generator) -> NDArray[np.int64]:
    """Where the pixel now at each place (height x width,) was before one round of copies.

    Places take their pixel one after another, from the last to the first, each from a neighbour, which may have taken
    another one by then: those chains are followed for all places at once, twice as far in every pass.
    """
    rows, columns = np.arange(height - reach, reach, -1), np.arange(width - reach, reach, -1)
    moves = rng.integers(-reach, reach, size=(len(rows), len(columns), 2))
    places = (rows[:, None] * width + columns).ravel()
    neighbours = ((rows[:, None] + moves[..., 1]) * width + columns + moves[..., 0]).ravel()
    turn = np.full(height * width, len(places))
    turn[places] = np.arange(len(places))
    taken = np.arange(height * width)
    taken[places] = neighbours
    before = np.arange(height * width)
    before[places] = np.where(turn[neighbours] < turn[places], neighbours, places)
    while not np.array_equal(further := before[before], before):
        before = further
    return taken[before]
