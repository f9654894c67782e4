"""Corruptions by noise: independent in every pixel and channel."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from attacks.corruptions.images import Image


def gaussian_noise(image: Image, rng: Generator, deviation: float) -> Image:
    """Normal noise of one standard deviation, as of a sensor in the dark."""
    return image + rng.normal(size=image.shape, scale=deviation)


def shot_noise(image: Image, rng: Generator, photons: float) -> Image:
    """Poisson noise where a white pixel has so many photons."""
    return rng.poisson(image * photons) / photons


def impulse_noise(image: Image, rng: Generator, amount: float) -> Image:
    """Salt and pepper, in equal shares, in place of this share of the values."""
    flipped = rng.random(image.shape) <= amount
    salt = rng.random(image.shape) <= 0.5
    return np.where(flipped, salt.astype(np.float64), image)


def speckle_noise(image: Image, rng: Generator, deviation: float) -> Image:
    """Normal noise in proportion to each value."""
    return image + image * rng.normal(size=image.shape, scale=deviation)
