"""Images with labels: the recipe (`Dataset`), what is in memory (`ImageSet`), and what a shard reads (`Batch`)."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from bench.domain.errors import DataError, UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

Split = Literal["train", "test"]
Sampling = Literal["random", "first"]
LARGEST = 20_000_000
"""Images of a set that samples can be drawn from: a draw shuffles the numbers of all of them."""
MOST = 2_000_000
"""Samples that can be drawn."""
_PIECE = 64
"""Images of a large set that are in memory at once while it is hashed."""


@dataclass(frozen=True)
class Task:
    """What a defense must know of a data set: its name, its K class names, and an image's shape (C, H, W)."""

    dataset: str
    classes: tuple[str, ...]
    shape: tuple[int, int, int]


@dataclass(frozen=True)
class Batch:
    """Samples in memory: indices (N,), images (N, C, H, W) float32 in [0, 1], labels (N,) int64."""

    indices: tuple[int, ...]
    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.indices)

    def to(self, device: str) -> Batch:
        """The same samples on another device."""
        return Batch(self.indices, self.images.to(device), self.labels.to(device))


@dataclass(frozen=True)
class ImageSet:
    """A data set's images of one split, decoded when they are read.

    `decode(index)` gives one image (C, H, W), float32 in [0, 1].
    """

    task: Task
    labels: NDArray[np.int64]
    decode: Callable[[int], NDArray[np.float32]]

    def __len__(self) -> int:
        return len(self.labels)

    def arrays(self, indices: Sequence[int]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Images (N, C, H, W) and labels (N,) as arrays, in the order of `indices`."""
        images = np.stack([self.decode(index) for index in indices])
        if images.shape[1:] != self.task.shape:
            raise DataError(f"{self.task.dataset} should hold images {self.task.shape}; found {images.shape[1:]}.")
        return np.ascontiguousarray(images, dtype=np.float32), self.labels[list(indices)]

    def read(self, indices: Sequence[int]) -> Batch:
        """The samples at `indices`, in their order, on the CPU."""
        import torch

        images, labels = self.arrays(indices)
        return Batch(tuple(int(i) for i in indices), torch.from_numpy(images), torch.from_numpy(labels))

    def fingerprint(self, indices: Sequence[int]) -> str:
        """SHA-256 over the indices, images and labels of these samples: what a plan is about."""
        digest = hashlib.sha256(repr((self.task.classes, (len(indices), *self.task.shape))).encode())
        digest.update(np.asarray(indices, dtype="<i8").tobytes())
        for start in range(0, len(indices), _PIECE):
            digest.update(self.arrays(indices[start : start + _PIECE])[0].astype("<f4").tobytes())
        digest.update(self.labels[list(indices)].astype("<i8").tobytes())
        return digest.hexdigest()


class Dataset(ABC):
    """A named data set; free to construct, read by `load`."""

    revision: ClassVar[str] = "1"
    budgets: ClassVar[Mapping[str, str]] = {}
    """Customary epsilon by norm, as text: `{"linf": "8/255"}`."""
    shard_size: ClassVar[int] = 128
    """Samples a shard where neither the person nor the protocol says; more of images so small that a network's pass
    takes hardly longer for them."""

    @abstractmethod
    def load(self, split: Split, folder: Path | None) -> ImageSet:
        """The images of a split; `folder` is where the user keeps the data (`--data-dir`), None for the default place.

        Raises `DataError` where the data are missing or unreadable.
        """


def shard_size_of(usual: int, samples: int) -> int:
    """Samples a shard where nobody decides, of a data set whose shards are `usual`: at most half of the samples, for
    two processes, unless that is less than most data sets have."""
    return min(usual, max(Dataset.shard_size, -(-samples // 2)))


@lru_cache(maxsize=16)
def choose(count: int, size: int, seed: int, sampling: Sampling) -> tuple[int, ...]:
    """Indices of `count` samples out of `size`: a seeded draw without replacement, or the first ones.

    The draw uses numpy's legacy generator, whose stream is frozen for good.
    """
    if count < 1:
        raise UsageError(f"At least one sample is needed; got {count}.")
    if count > size:
        raise UsageError(
            f"{count} samples were asked for, but the data set holds {size}; use --samples {size} or fewer."
        )
    if count > MOST or size > LARGEST:
        raise UsageError(
            f"{count:,} samples of {size:,} images are more than can be drawn, {MOST:,} of {LARGEST:,}; give --samples "
            f"fewer, or a smaller data set."
        )
    if sampling == "first":
        return tuple(range(count))
    return tuple(int(i) for i in np.random.RandomState(seed).permutation(size)[:count])
