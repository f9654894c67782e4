"""CIFAR-10-C (Hendrycks and Dietterich 2019): CIFAR-10's test images after common corruptions, in its own files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_args

import numpy as np

from bench.datasets.cifar10 import CLASSES, TASK, Cifar10
from bench.datasets.files import scaled
from bench.domain.dataset import Dataset, ImageSet, Split
from bench.domain.errors import DataError, UsageError, closest
from bench.domain.threat import CorruptionKind

if TYPE_CHECKING:
    from numpy.typing import NDArray

KINDS: tuple[str, ...] = get_args(CorruptionKind)
COMMON = KINDS[:15]
"""The 15 corruptions over which the mean corruption error is taken."""
EXTRA = KINDS[15:]
"""The 4 that the authors keep for choosing models."""
Severity = Literal[1, 2, 3, 4, 5]
SEVERITIES: tuple[int, ...] = get_args(Severity)
COUNT = 10_000
FOLDER = "CIFAR-10-C"
PLACE = "zenodo.org/records/2535967"


@dataclass(frozen=True)
class Cifar10C(Dataset):
    """CIFAR-10's 10,000 test images under one of 19 corruptions (1903.12261), from the published files in `--data-dir`.

    The files are `<kind>.npy` and `labels.npy`, there or in its folder CIFAR-10-C; a kind's severities 1 to 5 follow
    each other in blocks of 10,000. Indices are those of cifar10, so that a sample's results can be compared. Training
    images are cifar10's, looked for in the same place.
    """

    kind: CorruptionKind
    severity: Severity
    budgets: ClassVar[Mapping[str, str]] = {norm: Cifar10.budgets[norm] for norm in ("linf", "l2", "l1")}

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise UsageError(f"CIFAR-10-C has no corruption {self.kind!r}.{closest(self.kind, KINDS)}")
        if self.severity not in SEVERITIES:
            raise UsageError(f"The severity of a corruption is 1, 2, 3, 4 or 5; got {self.severity}.")

    def load(self, split: Split, folder: Path | None) -> ImageSet:
        """The images of a split; those of a corruption stay on disk until they are read."""
        if split == "train":
            return Cifar10().load("train", folder)
        if folder is None:
            raise DataError(
                f"The data set 'cifar10-c' needs to know where its files are; fetch them from {PLACE} and use "
                f"--data-dir FOLDER."
            )
        place = folder / FOLDER if (folder / FOLDER).is_dir() else folder
        pixels = _array(place / f"{self.kind}.npy", (*TASK.shape[1:], TASK.shape[0]))
        labels = _array(place / "labels.npy", ())
        block = slice(COUNT * (self.severity - 1), COUNT * self.severity)
        images, wanted = pixels[block], np.asarray(labels[block], dtype=np.int64)
        if wanted.max() >= len(CLASSES) or not np.array_equal(wanted, labels[:COUNT]):
            raise DataError(
                f"{place / 'labels.npy'} is not CIFAR-10-C's: it should repeat the same labels from 0 to 9 for every "
                f"severity."
            )
        return ImageSet(TASK, wanted, lambda index: scaled(images[index].transpose(2, 0, 1)))


def _array(path: Path, shape: tuple[int, ...]) -> NDArray[Any]:
    """The bytes in a file, of this shape for each of 5 x 10,000 images, mapped rather than read."""
    if not path.is_file():
        raise DataError(
            f"There is no file {path}; --data-dir should hold CIFAR-10-C's <kind>.npy and labels.npy ({PLACE})."
        )
    try:
        found = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise DataError(f"{path} cannot be read as a numpy array ({error}); fetch it again.") from error
    expected = (COUNT * len(SEVERITIES), *shape)
    if not isinstance(found, np.ndarray) or found.shape != expected or found.dtype != np.uint8:
        what = f"{found.dtype} {found.shape}" if isinstance(found, np.ndarray) else type(found).__name__
        raise DataError(f"{path} should hold uint8 {expected}; found {what}.")
    return found
