"""The images that a request names; those to train on in memory, decoded once however often they are read."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.domain.dataset import ImageSet, Split
from bench.domain.plan import Spec
from bench.loading.images import open_images
from bench.plugins.registry import datasets

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST = 8 << 30
"""Bytes that a set may take in memory; a larger one is decoded each time it is read."""


def opened(name: str, settings: Mapping[str, Any], folder: Path | None, split: Split) -> tuple[Spec, ImageSet]:
    """A data set as content, and the images of one of its splits."""
    spec = datasets.spec(name, datasets.make(name, settings))
    return spec, open_images(spec, folder, split)


def kept(data: ImageSet, most: int = MOST) -> ImageSet:
    """The same images, held from the first time each is read: as bytes where these give the same numbers."""
    if len(data) * math.prod(data.task.shape) > most:
        return data
    held: list[NDArray[Any] | None] = [None] * len(data)

    def decode(index: int) -> NDArray[np.float32]:
        found = held[index]
        if found is None:
            found = held[index] = _packed(data.decode(index))
        return _unpacked(found)

    return replace(data, decode=decode)


def _packed(image: NDArray[np.float32]) -> NDArray[Any]:
    with np.errstate(invalid="ignore"):
        pixels = np.rint(image * np.float32(255)).astype(np.uint8)
    return pixels if np.array_equal(_unpacked(pixels), image) else image


def _unpacked(image: NDArray[Any]) -> NDArray[np.float32]:
    scaled: NDArray[np.float32] = image
    if image.dtype == np.uint8:
        scaled = image.astype(np.float32) / np.float32(255)
    return scaled
