"""What a caller hands over, a name or an object, as the reference and the settings under which it is found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.domain.attack import Attack
from bench.domain.dataset import Dataset
from bench.domain.defense import Classifier, Defense
from bench.domain.errors import UsageError
from bench.memory import KeptAttack, KeptDefense, keep, keep_images
from bench.plugins.finding import entries
from bench.plugins.registry import Registry, attacks, datasets, defenses

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MAIN = "__main__"


def defense_of(found: object, name: str | None, folder: Path) -> tuple[str, dict[str, Any]]:
    """A defense: a reference, a `bench.Defense`, a `bench.Classifier`, or a torch module for images in [0, 1]."""
    if isinstance(found, str):
        return found, {}
    if isinstance(found, Defense) and (known := _importable(found, defenses)) is not None:
        return known
    from torch import nn

    if not isinstance(found, nn.Module | Classifier | Defense):
        raise UsageError(
            f"A defense is a name, a torch module, a bench.Classifier or a bench.Defense; got {_kind(found)}."
        )
    module = getattr(found, "module", found)  # of a bench.Network the net that it wraps
    return keep(found, KeptDefense, name or type(module).__name__, folder), {}


def attack_of(found: object, folder: Path) -> tuple[str, dict[str, Any]]:
    """An attack: a reference, or a `bench.Attack`."""
    if isinstance(found, str):
        return found, {}
    if not isinstance(found, Attack):
        raise UsageError(f"An attack is a name or a bench.Attack; got {_kind(found)}.")
    known = _importable(found, attacks)
    facts = {"norm": found.norm, "knowledge": found.knowledge}
    return known or (keep(found, KeptAttack, type(found).__name__, folder, facts), {})


def dataset_of(
    found: object, name: str | None, classes: Sequence[str] | None, folder: Path
) -> tuple[str, dict[str, Any]]:
    """A data set: a reference, a `bench.Dataset`, a pair of images and labels, or anything that gives such pairs one by
    one: a torch data set, or one of Hugging Face's with an image and a label."""
    if isinstance(found, str):
        return found, {}
    if isinstance(found, Dataset):
        known = _importable(found, datasets)
        if known is None:
            raise UsageError(
                f"{type(found).__name__} is defined where no other process finds it; write it in a file of its own, or "
                f"hand over its images and labels."
            )
        return known
    images, labels, named = arrays(found)
    classes = classes or named or tuple(map(str, range(int(labels.max()) + 1)))
    if labels.min() < 0 or int(labels.max()) >= len(classes):
        raise UsageError(f"Labels lie between 0 and {len(classes) - 1}, the number of classes less 1; found others.")
    return keep_images(images, labels, classes, name or _named(found), folder), {}


def arrays(found: Any) -> tuple[NDArray[np.float32], NDArray[np.int64], tuple[str, ...] | None]:
    """Images (N, C, H, W) in [0, 1], labels (N,), and the classes' names where the data set knows them."""
    import numpy as np

    classes = getattr(found, "classes", None)
    if isinstance(found, tuple) and len(found) == 2:
        images, labels = (np.asarray(_array(each)) for each in found)
    elif hasattr(found, "features"):
        pixels, truth = (_column(found.features, kind) for kind in ("Image", "ClassLabel"))
        classes = found.features[truth].names
        images = np.stack([_pixels(each) for each in found[pixels]])
        labels = np.asarray(found[truth])
    elif hasattr(found, "__getitem__") and hasattr(found, "__len__"):
        pairs = [found[place] for place in range(len(found))]
        images = np.stack([_pixels(image) for image, _ in pairs])
        labels = np.array([int(label) for _, label in pairs])
    else:
        raise UsageError(
            f"A data set is a name, a bench.Dataset, (images, labels), or a torch or Hugging Face data set; got "
            f"{_kind(found)}."
        )
    if images.dtype == np.uint8:
        images = images.astype(np.float32) / 255
    if images.ndim != 4 or labels.shape != images.shape[:1] or not len(labels):
        raise UsageError(f"Images are (N, C, H, W) and labels (N,); got {images.shape} and {labels.shape}.")
    if not (np.isfinite(images).all() and images.min() >= 0 and images.max() <= 1):
        raise UsageError(
            f"Pixels lie in [0, 1]; these are between {images.min():g} and {images.max():g}. Leave out the "
            f"normalisation, and give it to bench.Network(module, mean, std)."
        )
    if not np.issubdtype(labels.dtype, np.integer):
        raise UsageError(f"Labels are whole numbers; got {labels.dtype}.")
    return images.astype(np.float32), labels.astype(np.int64), None if classes is None else tuple(map(str, classes))


def _importable(found: Any, registry: Registry[Any]) -> tuple[str, dict[str, Any]] | None:
    """The reference of a plugin whose class other processes can import, and its settings; None for another."""
    kind = type(found)
    if kind.__module__ == MAIN or "<locals>" in kind.__qualname__ or find_spec(kind.__module__) is None:
        return None
    target = f"{kind.__module__}:{kind.__qualname__}"
    reference = next((entry.name for entry in entries(registry.group) if entry.value == target), target)
    given = fields(found) if is_dataclass(found) else ()
    return reference, {
        each.name: getattr(found, each.name)
        for each in given
        if each.init and getattr(found, each.name) != each.default
    }


def _column(features: Mapping[str, Any], kind: str) -> str:
    names = [name for name, feature in features.items() if type(feature).__name__ == kind]
    if len(names) != 1:
        raise UsageError(f"One column of the data set must be a {kind}; found {len(names)} of {', '.join(features)}.")
    return names[0]


def _pixels(image: Any) -> NDArray[np.generic]:
    """One image (C, H, W): of a tensor or an array as it is, of Pillow's its channels first."""
    import numpy as np

    if hasattr(image, "convert"):
        pixels = np.asarray(image.convert("L") if image.mode in ("1", "L", "I", "F") else image.convert("RGB"))
        return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
    return np.asarray(_array(image))


def _array(found: Any) -> Any:
    return found.detach().cpu().numpy() if hasattr(found, "detach") else found


def _named(found: object) -> str:
    return "Images" if isinstance(found, tuple) else type(found).__name__


def _kind(found: object) -> str:
    return f"a {type(found).__name__}"
