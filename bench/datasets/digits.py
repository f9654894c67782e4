"""1797 real handwritten digits of 8x8 pixels, embedded, so that everything runs at once and without a network.

Source: E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository, 1998,
doi:10.24432/C50P49, licence CC BY 4.0; its test part, in the order in which scikit-learn's `load_digits` has it.
`digits.npz` holds `images` (1797, 8, 8) and `labels` (1797,), both uint8; the only change is the file format.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from bench.datasets.files import scaled
from bench.domain.dataset import Dataset, ImageSet, Split, Task

if TYPE_CHECKING:
    from numpy.typing import NDArray

TRAIN = 773
SPLIT_SEED = 2024
BRIGHTEST = 16
TASK = Task("digits", tuple(str(digit) for digit in range(10)), (1, 8, 8))


@dataclass(frozen=True)
class Digits(Dataset):
    """Handwritten digits (1, 8, 8) in 17 grey levels: 773 for training, 1024 for testing.

    The split is one unstratified draw: the first 773 of numpy's legacy permutation under seed 2024 train, in that
    order. The budgets stay below half the smallest distance between two digits of different classes (0.4375 in linf,
    1.179 in l2), so that a classifier that is right and robust on every image exists.
    """

    budgets: ClassVar[Mapping[str, str]] = {
        "linf": "0.1",
        "l2": "0.5",
        "l1": "2",
        "l0": "3",
        "flow": "0.05",
        "corruption": "3",
    }
    shard_size: ClassVar[int] = 512

    def load(self, split: Split, folder: Path | None) -> ImageSet:
        """The images of a split; they are embedded, so `folder` is not looked at."""
        images, labels = _archive()
        order = np.random.RandomState(SPLIT_SEED).permutation(len(labels))
        chosen = order[:TRAIN] if split == "train" else order[TRAIN:]
        return ImageSet(TASK, labels[chosen], lambda index: scaled(images[chosen[index]][None], BRIGHTEST))


@cache
def _archive() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    with np.load(Path(__file__).with_name("digits.npz"), allow_pickle=False) as archive:
        return archive["images"], archive["labels"].astype(np.int64)
