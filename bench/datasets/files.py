"""Image files on disk: decoding one, and finding those of a tree of class folders."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bench.domain.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")


@dataclass(frozen=True)
class ClassFolders:
    """The images below `<class>/`, sorted by class and path; `labels` (N,) point into the sorted `classes`."""

    classes: tuple[str, ...]
    paths: tuple[Path, ...]
    labels: NDArray[np.int64]

    def image(self, index: int, channels: int = 3, fit: Callable[[Image], Image] | None = None) -> NDArray[np.float32]:
        """One of the images (C, H, W), as `decode` gives it under the name of its path."""
        return decode(self.paths[index], str(self.paths[index]), channels, fit)


def class_names(folder: Path) -> tuple[str, ...]:
    """The names of the folders in a folder, sorted, hidden ones left out."""
    return tuple(sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")))


def class_folders(folder: Path, classes: tuple[str, ...]) -> ClassFolders:
    """The image files below each class's folder, however deep; a class without a folder has none.

    Raises `DataError` where there is no image at all.
    """
    paths: list[Path] = []
    labels: list[int] = []
    for label, name in enumerate(classes):
        found = [path for path in (folder / name).rglob("*") if path.suffix.lower() in SUFFIXES]
        found = sorted(path for path in found if not path.name.startswith("."))
        paths += found
        labels += [label] * len(found)
    if not paths:
        raise DataError(f"There are no images below {folder}; it should hold <class>/<image> ({', '.join(SUFFIXES)}).")
    return ClassFolders(classes, tuple(paths), np.asarray(labels, dtype=np.int64))


def decode(
    source: Path | bytes, name: str, channels: int, fit: Callable[[Image], Image] | None = None
) -> NDArray[np.float32]:
    """One image (C, H, W), float32 in [0, 1], from a file or its bytes; `name` is what messages call it.

    1 channel is luminance (ITU-R 601), 3 are RGB; transparency is dropped. `fit` scales and cuts what was decoded.
    Raises `DataError` where the image cannot be read or has more than 8 bits a channel.
    """
    from PIL import Image

    try:
        with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as image:
            mode = image.mode
            converted = image.convert("L" if channels == 1 else "RGB")
    except Exception as error:  # Pillow's decoders raise whatever a broken file leads them to.
        raise DataError(f"{name} cannot be read as an image ({error}); replace or remove it.") from error
    if mode.startswith(("I", "F")):
        raise DataError(f"{name} has more than 8 bits a channel (mode {mode}); convert it to 8 bits.")
    pixels = scaled(np.asarray(fit(converted) if fit else converted))
    return np.ascontiguousarray(pixels[None] if channels == 1 else pixels.transpose(2, 0, 1))


def scaled(pixels: NDArray[np.uint8], brightest: int = 255) -> NDArray[np.float32]:
    """Whole grey levels as float32 in [0, 1]."""
    values: NDArray[np.float32] = pixels.astype(np.float32) / np.float32(brightest)
    return values


def square(size: int) -> Callable[[Image], Image]:
    """Scales the shorter side to `size` (bicubic, antialiased) and keeps the centre square, which leaves an image of
    that size as it is."""

    def fit(image: Image) -> Image:
        from PIL import Image as Pillow

        shorter = min(image.size)
        if shorter != size:
            width, height = (max(size, round(side * size / shorter)) for side in image.size)
            image = image.resize((width, height), Pillow.Resampling.BICUBIC)
        left, top = (image.width - size) // 2, (image.height - size) // 2
        return image.crop((left, top, left + size, top + size))

    return fit
