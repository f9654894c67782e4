"""A data set of one's own in one file.

bench train resnet --dataset examples/my_dataset.py:Parity --output runs/parity
bench evaluate --defense resnet -D weights=runs/parity/resnet.safetensors --dataset examples/my_dataset.py:Parity \
    --attack pgd-linf --source self
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from bench import Dataset, ImageSet, Split, Task
from bench.datasets.digits import Digits

TASK = Task("parity", ("even", "odd"), (1, 8, 8))


@dataclass(frozen=True)
class Parity(Dataset):
    """The embedded digits under another question: is the digit even or odd?"""

    budgets: ClassVar[Mapping[str, str]] = {"linf": "0.05", "l2": "0.25"}

    def load(self, split: Split, folder: Path | None) -> ImageSet:
        """The digits of a split with their labels modulo 2; nothing is read from `folder`."""
        digits = Digits().load(split, None)
        return ImageSet(TASK, digits.labels % 2, digits.decode)
