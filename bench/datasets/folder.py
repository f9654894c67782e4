"""Any folder of images as a data set."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import numpy as np

from bench.datasets.files import class_folders, class_names, square
from bench.domain.dataset import Dataset, ImageSet, Split, Task
from bench.domain.errors import DataError, UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Folder(Dataset):
    """The images in `--data-dir`: `<split>/<class>/<image>` with the splits train and test, or `<class>/<image>`.

    Without split folders both splits are the same images: enough to evaluate trained models, wrong for training one.
    The classes are the class folders' sorted names (of both splits together), the images are in the order of their
    sorted paths. `size` scales and cuts every image to that square; without it they must all be of one size. `channels`
    is 3 (RGB) or 1 (luminance). There is no customary budget for images of any kind.
    """

    size: int | None = None
    channels: int = 3

    def __post_init__(self) -> None:
        if self.size is not None and self.size < 1:
            raise UsageError(f"size must be at least 1 pixel; got {self.size}.")
        if self.channels not in (1, 3):
            raise UsageError(f"channels must be 1 (grey) or 3 (RGB); got {self.channels}.")

    def load(self, split: Split, folder: Path | None) -> ImageSet:
        """The images of a split; decoded when they are read."""
        if folder is None:
            raise DataError("The data set 'folder' needs to know where its images are; use --data-dir FOLDER.")
        if not folder.is_dir():
            raise DataError(
                f"{folder} is no folder; --data-dir should hold <split>/<class>/<image> or <class>/<image>."
            )
        root, classes = _layout(split, folder)
        found = class_folders(root, classes)
        fit = square(self.size) if self.size else None
        shape = found.image(0, self.channels, fit).shape
        task = Task("folder", classes, (shape[0], shape[1], shape[2]))

        def image(index: int) -> NDArray[np.float32]:
            pixels = found.image(index, self.channels, fit)
            if pixels.shape != shape:
                raise DataError(
                    f"{found.paths[index]} has {pixels.shape[2]}x{pixels.shape[1]} pixels, but {found.paths[0].name} "
                    f"has {shape[2]}x{shape[1]}; give the data set a size to scale and cut all images to."
                )
            return pixels

        return ImageSet(task, found.labels, image)


def _layout(split: Split, folder: Path) -> tuple[Path, tuple[str, ...]]:
    """The folder that holds the class folders of a split, and the names of all classes."""
    splits = [folder / name for name in get_args(Split) if (folder / name).is_dir()]
    if not splits:
        return folder, class_names(folder)
    if folder / split not in splits:
        found = ", ".join(class_names(folder))
        raise DataError(f"{folder} has no {split}/ folder; found are: {found}. Add it, or leave out the split folders.")
    return folder / split, tuple(sorted({name for root in splits for name in class_names(root)}))
