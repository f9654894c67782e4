"""ImageNet (Russakovsky et al. 2015, ILSVRC 2012): from the hub, its parquet, or class folders."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from bench.datasets.files import ClassFolders, class_folders, class_names, decode
from bench.datasets.hub import hub_file
from bench.datasets.parquet import Columns, ParquetImages, checked_labels, parquet_files
from bench.domain.dataset import Dataset, ImageSet, Split, Task
from bench.domain.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image

SHAPE = (3, 224, 224)
SHORTER, SIDE = 256, 224
REPOSITORY = "ILSVRC/imagenet-1k"
FILES = tuple(f"data/validation-{part:05}-of-00014.parquet" for part in range(14))
COLUMNS = Columns("image", "label")
FOLDERS: Mapping[Split, tuple[str, ...]] = {"train": ("train",), "test": ("val", "validation", "test")}
WORDS: Mapping[Split, tuple[str, ...]] = {"train": ("train",), "test": ("val", "validation")}
"""What the names of parquet files have in them; the hub's own test split has no labels."""
LIST = "imagenet_test_image_ids.txt"
_IDENTITY = re.compile(r"ILSVRC2012_val_\d{8}")


@dataclass(frozen=True)
class ImageNet(Dataset):
    """Photographs of 1000 classes: the 50,000 of the validation split for testing, (3, 224, 224).

    Images are cut as RobustBench's are: the shorter side scaled to 256 pixels (bilinear, antialiased), the centre 224
    kept. With `images` "customary" they are the 5,000 of RobustBench's leaderboards in its order, where its list
    `imagenet_test_image_ids.txt` lies in `--data-dir` or in the installed robustbench, else all, as with "all". The
    class names are the first lemma of each synset in WordNet, two of them told apart as torchvision does. The budgets
    are RobustBench's.
    """

    images: Literal["customary", "all"] = "customary"
    budgets: ClassVar[Mapping[str, str]] = {"linf": "4/255", "l2": "3"}

    def load(self, split: Split, folder: Path | None) -> ImageSet:
        """The images of a split, decoded when they are read: from the hub where `folder` is None (those for testing
        only), else from what lies in it.

        Looked for are, in this order: parquet files with `validation` or `val` in their names (for training: `train`),
        which need the columns `image` (struct of `bytes` and `path`) and `label`; and `val/<synset>/<image>`, or
        `<synset>/<image>` in a folder of that name. Synsets without a folder have no images.
        """
        wanted = _customary(folder) if split == "test" and self.images == "customary" else None
        if folder is None:
            if split == "train":
                raise DataError("ImageNet's training images are not fetched; use --data-dir FOLDER.")
            return _parquet([hub_file("ImageNet", REPOSITORY, file) for file in FILES], wanted)
        if not folder.exists():
            raise DataError(f"{folder} does not exist; --data-dir is where ImageNet lies.")
        others = [*WORDS["test" if split == "train" else "train"], *(["test"] if split == "test" else [])]
        if files := parquet_files(folder, WORDS[split], others):
            return _parquet(files, wanted)
        places = [folder / name for name in FOLDERS[split]] + ([folder] if folder.name in FOLDERS[split] else [])
        for place in places:
            if place.is_dir() and class_names(place):
                return _folders(place, wanted)
        raise DataError(
            f"No {split} images of ImageNet in {folder}; it should hold parquet files with {WORDS[split][-1]!r} in "
            f"their names (columns {COLUMNS}), or {FOLDERS[split][0]}/<synset>/<image>."
        )


@cache
def synsets() -> dict[str, str]:
    """The name of each synset, in the order of the labels."""
    lines = Path(__file__).with_name("imagenet.txt").read_text("utf-8").splitlines()
    return {synset: name for synset, _, name in (line.partition(" ") for line in lines)}


def task() -> Task:
    """ImageNet's."""
    return Task("imagenet", tuple(synsets().values()), SHAPE)


def resize_and_crop(image: Image) -> Image:
    """torchvision's Resize(256) and CenterCrop(224)."""
    from PIL import Image as Pillow

    shorter, longer = sorted(image.size)
    if shorter != SHORTER:
        scaled = int(SHORTER * longer / shorter)
        size = (SHORTER, scaled) if image.width == shorter else (scaled, SHORTER)
        image = image.resize(size, Pillow.Resampling.BILINEAR)
    left, top = (round((side - SIDE) / 2) for side in image.size)
    return image.crop((left, top, left + SIDE, top + SIDE))


def _customary(folder: Path | None) -> Path | None:
    """RobustBench's list of images, where it is at hand."""
    places = [] if folder is None else [folder if folder.is_dir() else folder.parent]
    found = find_spec("robustbench")
    places += [Path(place) / "helper_files" for place in (found and found.submodule_search_locations) or ()]
    return next((place / LIST for place in places if (place / LIST).is_file()), None)


def _listed(path: Path) -> list[tuple[int, str]]:
    """Label and file name of each image of a list with lines `<synset>/<image>`."""
    order = {synset: label for label, synset in enumerate(synsets())}
    rows = [line.strip().partition("/") for line in path.read_text("utf-8").splitlines() if line.strip()]
    for synset, _, name in rows:
        if synset not in order or not name:
            raise DataError(f"{path} should hold lines <synset>/<image>; found {synset}/{name}.")
    return [(order[synset], name) for synset, _, name in rows]


def _parquet(paths: Sequence[Path], wanted: Path | None) -> ImageSet:
    rows = ParquetImages(paths, COLUMNS)
    labels = checked_labels(rows.labels, len(synsets()), "ImageNet", rows.title)
    chosen = np.arange(len(labels)) if wanted is None else _rows_of(wanted, rows, labels)

    def image(index: int) -> NDArray[np.float32]:
        row = int(chosen[index])
        return decode(rows.source(row), f"Image {row} of {rows.title}", 3, resize_and_crop)

    return ImageSet(task(), labels[chosen], image)


def _rows_of(wanted: Path, rows: ParquetImages, labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """The rows of the images on a list, in its order."""
    places = {_identity(name): row for row, name in enumerate(rows.names)}
    found = [(places.get(_identity(name)), label, name) for label, name in _listed(wanted)]
    for row, label, name in found:
        if row is None or labels[row] != label:
            what = "is not" if row is None else f"has the label {labels[row]} instead of {label}"
            raise DataError(
                f"{name}, which {wanted} lists, {what} in {rows.title}; use -S images=all for all there are."
            )
    return np.asarray([row for row, _, _ in found], dtype=np.int64)


def _folders(folder: Path, wanted: Path | None) -> ImageSet:
    unknown = [name for name in class_names(folder) if name not in synsets()]
    if unknown:
        raise DataError(f"{folder} should hold a folder a synset, as n01440764; found is {unknown[0]}.")
    if wanted is None:
        found = class_folders(folder, tuple(synsets()))
    else:
        listed, names = _listed(wanted), tuple(synsets())
        paths = tuple(folder / names[label] / name for label, name in listed)
        found = ClassFolders(names, paths, np.asarray([label for label, _ in listed], dtype=np.int64))
        lost = next((path for path in paths if not path.is_file()), None)
        if lost is not None:
            raise DataError(f"There is no {lost}, which {wanted} lists; use -S images=all for all there are.")
    return ImageSet(task(), found.labels, lambda index: found.image(index, fit=resize_and_crop))


def _identity(name: str) -> str:
    """What an image is called whatever its file is: the hub appends the synset to ILSVRC's names."""
    found = _IDENTITY.search(name)
    return found[0] if found else Path(name).stem
