"""CIFAR-10 (Krizhevsky 2009): from the hub, its parquet, torchvision's batches, or class folders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, get_args

import numpy as np

from bench.datasets.files import class_folders, class_names, decode
from bench.domain.dataset import Dataset, ImageSet, Split, Task
from bench.domain.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
TASK = Task("cifar10", CLASSES, (3, 32, 32))
HUB_REPOSITORY = "uoft-cs/cifar10"
HUB_FILE = "plain_text/{split}-00000-of-00001.parquet"


@dataclass(frozen=True)
class Cifar10(Dataset):
    """50,000 training and 10,000 test photographs (3, 32, 32) of ten classes, in the order of their files.

    The budgets are those of RobustBench's leaderboards (8/255, 128/255), AutoAttack's (l1 12), one
    pixel (Su et al. 2019), StAdv's customary flow, and the middle severity of a corruption.
    """

    budgets: ClassVar[Mapping[str, str]] = {
        "linf": "8/255",
        "l2": "128/255",
        "l1": "12",
        "l0": "1",
        "flow": "0.05",
        "corruption": "3",
    }

    def load(self, split: Split, folder: Path | None) -> ImageSet:
        """The images of a split: from the hub where `folder` is None, else from what lies in it.

        Looked for are, in this order: parquet files named after the split (or `folder` may be one such file), the
        batches of `cifar-10-batches-py`, and `<split>/<class>/<image>`. Parquet needs the columns `img` (struct of
        `bytes` and `path`) and `label`.
        """
        if folder is None:
            return _parquet([_from_hub(split)])
        if not folder.exists():
            raise DataError(f"{folder} does not exist; --data-dir is where CIFAR-10 lies.")
        if files := _parquet_files(split, folder):
            return _parquet(files)
        if batches := sorted(folder.rglob("data_batch_*" if split == "train" else "test_batch")):
            return _batches(batches)
        if (folder / split).is_dir() and class_names(folder / split):
            return _folders(folder / split)
        raise DataError(
            f"No {split} images of CIFAR-10 in {folder}; it should hold {split}.parquet (columns img, label), "
            f"cifar-10-batches-py, or {split}/<class>/<image>."
        )


def _from_hub(split: Split) -> Path:
    """The hub's file, from its cache where it is there: the files never change, and no network need be waited for."""
    import huggingface_hub

    file = HUB_FILE.format(split=split)
    cached = huggingface_hub.try_to_load_from_cache(HUB_REPOSITORY, file, repo_type="dataset")
    if isinstance(cached, str):
        return Path(cached)
    try:
        return Path(huggingface_hub.hf_hub_download(HUB_REPOSITORY, file, repo_type="dataset"))
    except Exception as error:  # Without a network its client fails in too many ways to name them.
        reason = str(error).strip().partition(". ")[0].rstrip(".")
        raise DataError(
            f"CIFAR-10 could not be fetched from the hub ({HUB_REPOSITORY}): {reason}. "
            "Fetch it elsewhere and give its folder with --data-dir."
        ) from error


def _parquet_files(split: Split, folder: Path) -> list[Path]:
    """The split's parquet files; a single file that names no split serves as either."""
    if folder.is_file():
        others = [name for name in get_args(Split) if name != split and name in folder.name]
        return [] if others and split not in folder.name else [folder]
    files = sorted(folder.rglob("*.parquet"))
    return [path for path in files if split in path.name.lower()] or [
        path for path in files if path.parent.name == split
    ]


def _parquet(paths: Sequence[Path]) -> ImageSet:
    import pyarrow
    from pyarrow import parquet

    tables = []
    for path in paths:
        try:
            tables.append(parquet.ParquetFile(path).read(columns=["img", "label"]).select(["img", "label"]))
        except (pyarrow.ArrowException, KeyError, OSError) as error:
            reason = str(error).strip().partition("\n")[0]
            raise DataError(f"{path} is no parquet file with the columns img and label: {reason}.") from error
    table = pyarrow.concat_tables(tables).combine_chunks()
    images, names = table["img"], ", ".join(path.name for path in paths)

    def image(index: int) -> NDArray[np.float32]:
        return _checked(decode(images[index]["bytes"].as_py(), f"Image {index} of {names}", 3), f"{index} of {names}")

    return ImageSet(TASK, _labels(table["label"].to_pylist(), names), image)


def _batches(paths: Sequence[Path]) -> ImageSet:
    from bench.datasets.batches import read_batch

    batches = [read_batch(path) for path in paths]
    pixels = np.concatenate([rows for rows, _ in batches]).reshape(-1, *TASK.shape)
    names = ", ".join(path.name for path in paths)

    def image(index: int) -> NDArray[np.float32]:
        scaled: NDArray[np.float32] = pixels[index].astype(np.float32) / np.float32(255)
        return scaled

    return ImageSet(TASK, _labels([label for _, labels in batches for label in labels], names), image)


def _folders(folder: Path) -> ImageSet:
    if class_names(folder) != CLASSES:
        found = ", ".join(class_names(folder))
        raise DataError(f"{folder} should hold the class folders {', '.join(CLASSES)}; found are: {found}.")
    found_files = class_folders(folder, CLASSES)

    def image(index: int) -> NDArray[np.float32]:
        path = found_files.paths[index]
        return _checked(decode(path, str(path), 3), str(path))

    return ImageSet(TASK, found_files.labels, image)


def _checked(image: NDArray[np.float32], name: str) -> NDArray[np.float32]:
    if image.shape != TASK.shape:
        raise DataError(f"A CIFAR-10 image has 32x32 pixels; {name} has {image.shape[2]}x{image.shape[1]}.")
    return image


def _labels(values: Sequence[object], name: str) -> NDArray[np.int64]:
    wrong = [value for value in values if not (isinstance(value, int) and 0 <= value < len(CLASSES))]
    if wrong:
        raise DataError(f"The labels of CIFAR-10 are 0 to 9; {name} has {wrong[0]!r}.")
    return np.asarray(values, dtype=np.int64)
