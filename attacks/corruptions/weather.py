"""Corruptions by weather: snow, frost and fog."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from attacks.corruptions.blur import enlarged, moved
from attacks.corruptions.images import Image, grey, tinted

FROSTS = (
    ((0.31, 0.58, 0.65), 0.047, 0.3),
    ((0.78, 0.79, 0.83), 0.065, 0.0),
    ((0.78, 0.79, 0.83), 0.065, 0.0),
    ((0.56, 0.62, 0.67), 0.097, -0.4),
    ((0.40, 0.45, 0.49), 0.129, 0.1),
)
"""The authors' five photographs of frost, as measured: mean colour, standard deviation of the luminance, and by how
much the slope of its spectrum differs from their mean slope."""
LEVEL = 0.04
"""Standard deviation of the mean luminance from one cut-out of a photograph to the next."""
PATCHES, PATCH_SLOPE = 0.4, 3.0
"""How much the logarithm of the local contrast varies within a cut-out, and the slope of its spectrum."""


def snow(
    image: Image,
    rng: Generator,
    mean: float,
    deviation: float,
    factor: float,
    threshold: float,
    radius: float,
    sigma: float,
    kept: float,
) -> Image:
    """Flakes, normal noise enlarged by `factor` and cut at `threshold`, that fall both ways over a whitened image.

    `radius` and `sigma` are the motion blur of the flakes, `kept` is the share of the image that is not whitened.
    """
    flakes = enlarged(rng.normal(size=(*image.shape[:2], 1), loc=mean, scale=deviation), factor)
    flakes[flakes < threshold] = 0
    flakes = moved(np.floor(flakes.clip(0, 1) * 255), radius, sigma, rng.uniform(-135, -45)) / 255
    whitened = kept * image + (1 - kept) * np.maximum(image, grey(image) * 1.5 + 0.5)
    return np.asarray(whitened + flakes + np.rot90(flakes, 2))


def frost(image: Image, rng: Generator, kept: float, added: float, slope: float) -> Image:
    """`kept` of the image and `added` of a pattern of frost, whose power falls with the frequency to the `slope`.

    In place of a cut-out of one of the authors' photographs, the pattern is a random field with the photographs'
    colours, contrast, patchiness and spectrum at the size to which they scale them; it has none of their crystals.
    """
    height, width, channels = image.shape
    colour, contrast, steeper = FROSTS[rng.integers(len(FROSTS))]
    patches = np.exp(PATCHES * _field(height, width, PATCH_SLOPE, rng))
    pattern = _field(height, width, slope + steeper, rng) * patches / np.sqrt((patches**2).mean())
    luminance = contrast * pattern + rng.normal(scale=LEVEL)
    return np.asarray(kept * image + added * (luminance[..., None] + tinted(colour, channels)).clip(0, 1))


def _field(height: int, width: int, slope: float, rng: Generator) -> Image:
    """A cut-out of a normal field twice its size, of mean 0 and variance 1, by its power spectrum."""
    frequencies = np.hypot(np.fft.fftfreq(2 * height)[:, None], np.fft.rfftfreq(2 * width))
    frequencies[0, 0] = np.inf
    noise = np.fft.rfft2(rng.normal(size=(2 * height, 2 * width)))
    field = np.fft.irfft2(noise * frequencies ** (-slope / 2), (2 * height, 2 * width))
    return np.asarray(field[:height, :width] / field.std())


def fog(image: Image, rng: Generator, amount: float, decay: float) -> Image:
    """Clouds on the image, which fades so that its brightest value stays."""
    height, width, _ = image.shape
    brightest = image.max()
    clouds = plasma(1 << (max(height, width) - 1).bit_length(), decay, rng)[:height, :width, None]
    return np.asarray((image + amount * clouds) * brightest / (brightest + amount))


def plasma(side: int, decay: float, rng: Generator) -> Image:
    """Clouds (side, side) from 0 to 1 by the diamond-square algorithm on a torus; `side` is a power of two.

    Heights vary by the square of an amplitude that starts at 100 and is divided by `decay` with every halving, as the
    authors have it.
    """
    heights = np.zeros((side, side))
    step, wobble = side, 100.0

    def mean(total: Image) -> Image:
        return total / 4 + wobble * rng.uniform(-wobble, wobble, total.shape)

    while step >= 2:
        half = step // 2
        corners = heights[::step, ::step]
        below = corners + np.roll(corners, -1, axis=0)
        heights[half::step, half::step] = mean(below + np.roll(below, -1, axis=1))
        middles = heights[half::step, half::step]
        across = middles + np.roll(middles, 1, axis=0) + corners + np.roll(corners, -1, axis=1)
        heights[::step, half::step] = mean(across)
        along = middles + np.roll(middles, 1, axis=1) + corners + np.roll(corners, -1, axis=0)
        heights[half::step, ::step] = mean(along)
        step, wobble = half, wobble / decay
    heights -= heights.min()
    return np.asarray(heights / max(heights.max(), 1e-12))
