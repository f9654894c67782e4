"""What CIFAR-10 and CIFAR-100 have in common: the forms in which people keep them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from bench.datasets.files import class_folders, class_names, decode, scaled
from bench.datasets.hub import hub_file
from bench.datasets.parquet import Columns, ParquetImages, checked_labels, other_splits, parquet_files
from bench.domain.dataset import Dataset, ImageSet, Split, Task
from bench.domain.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Cifar(Dataset):
    """Either of the two: photographs (3, 32, 32), read as its files are called."""

    files: ClassVar[Files]

    def load(self, split: Split, folder: Path | None) -> ImageSet:
        """The images of a split: from the hub where `folder` is None, else from what lies in it (`Files.load`)."""
        return self.files.load(split, folder)


@dataclass(frozen=True)
class Files:
    """How the files of one of the two are called, and what is in them.

    `file` is the hub's, with a place for the split; `batches` says by split which files of the folder `archive` hold
    its images, and `pickled` under which name these have the labels.
    """

    title: str
    task: Task
    repository: str
    file: str
    columns: Columns
    archive: str
    batches: Mapping[Split, str]
    pickled: str

    def load(self, split: Split, folder: Path | None) -> ImageSet:
        """The images of a split: from the hub where `folder` is None, else from what lies in it.

        Looked for are, in this order: parquet files named after the split (or `folder` may be one such file), the
        original batches, and `<split>/<class>/<image>`, the classes with blanks or underscores. Parquet needs the
        columns of the images (struct of `bytes` and `path`) and of the labels.
        """
        if folder is None:
            return self._parquet([hub_file(self.title, self.repository, self.file.format(split=split))])
        if not folder.exists():
            raise DataError(f"{folder} does not exist; --data-dir is where {self.title} lies.")
        if files := parquet_files(folder, [split], other_splits(split)):
            return self._parquet(files)
        if batches := sorted(path for path in folder.rglob(self.batches[split]) if path.is_file()):
            return self._batches(batches)
        if (folder / split).is_dir() and class_names(folder / split):
            return self._folders(folder / split)
        raise DataError(
            f"No {split} images of {self.title} in {folder}; it should hold {split}.parquet (columns {self.columns}), "
            f"{self.archive}, or {split}/<class>/<image>."
        )

    def _parquet(self, paths: Sequence[Path]) -> ImageSet:
        rows = ParquetImages(paths, self.columns)

        def image(index: int) -> NDArray[np.float32]:
            name = f"{index} of {rows.title}"
            return self._checked(decode(rows.source(index), f"Image {name}", 3), name)

        return ImageSet(self.task, self._labels(rows.labels, rows.title), image)

    def _batches(self, paths: Sequence[Path]) -> ImageSet:
        from bench.datasets.batches import read_batch

        batches = [read_batch(path, self.title, self.pickled) for path in paths]
        pixels = np.concatenate([rows for rows, _ in batches]).reshape(-1, *self.task.shape)
        names = ", ".join(path.name for path in paths)

        labels = self._labels([label for _, labels in batches for label in labels], names)
        return ImageSet(self.task, labels, lambda index: scaled(pixels[index]))

    def _folders(self, folder: Path) -> ImageSet:
        names, classes = class_names(folder), self.task.classes
        if tuple(name.replace("_", " ") for name in names) != classes:
            found = ", ".join(names)
            raise DataError(f"{folder} should hold the class folders {', '.join(classes)}; found are: {found}.")
        found_files = class_folders(folder, names)

        def image(index: int) -> NDArray[np.float32]:
            return self._checked(found_files.image(index), str(found_files.paths[index]))

        return ImageSet(self.task, found_files.labels, image)

    def _labels(self, values: Sequence[object], name: str) -> NDArray[np.int64]:
        return checked_labels(values, len(self.task.classes), self.title, name)

    def _checked(self, image: NDArray[np.float32], name: str) -> NDArray[np.float32]:
        if image.shape != self.task.shape:
            width, height = image.shape[2], image.shape[1]
            raise DataError(f"A {self.title} image has 32x32 pixels; {name} has {width}x{height}.")
        return image
