"""Images of single samples for a page: the clean one, what an attack made of it, and the difference made visible."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bench.analysis.specs import identity
from bench.datasets.hub import local_only
from bench.domain.blame import blame
from bench.domain.errors import DataError, PluginError
from bench.plugins.registry import datasets

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bench.domain.dataset import ImageSet
    from bench.domain.plan import Plan
    from bench.store.store import Store

    Image = NDArray[np.float32]

LARGEST = 224
"""Pixels a side beyond which an image is shown smaller, lest a few of them make a page of megabytes."""
_STEPS = (1, 2, 5)
_ROUNDING = 1e-4  # a budget of 0.05 is often overspent in its last bit, and is to be shown 10 times all the same
_SHARDS = 8
"""Shards of crafted images kept in memory."""


@dataclass(frozen=True)
class Exhibit:
    """One sample under one attack, ready for a page; every image is a PNG as a data URI, a pixel for a pixel.

    `difference` is perturbed minus clean, `magnification` times as strong, around mid-grey. `predictions` says who saw
    what in the perturbed image: pairs of a name and of the classes predicted, one a draw.
    """

    sample: int
    label: str
    clean: str
    perturbed: str
    difference: str
    magnification: int
    predictions: tuple[tuple[str, tuple[str, ...]], ...]


class Gallery:
    """The images behind a store's outcomes: those of the data sets, and those that attacks crafted.

    `folder` is where the user keeps the data (`--data-dir`; where it was when a plan was last run, by default),
    `largest` the pixels a side beyond which images are shown smaller. No host is asked for any, and all of them are
    checked against their hashes. What cannot be shown raises a `BenchError`: `DataError` where a data set is not here,
    not registered or not the plan's, `StoreError` where crafted images are missing or damaged.
    """

    def __init__(self, store: Store, folder: Path | None = None, largest: int = LARGEST) -> None:
        self._store = store
        self._folder = folder
        self._largest = largest
        self._known: dict[Hashable, ImageSet | DataError] = {}
        self._crafted: dict[str, NDArray[np.float32]] = {}

    def show(self, plan: Plan, sample: int, predictions: Iterable[tuple[str, Sequence[int]]]) -> Exhibit:
        """The exhibit of a sample, one of the plan's indices that has an outcome."""
        images, labels = self._images(plan).arrays([sample])
        perturbed = self.perturbed(plan, sample)
        difference, magnification = magnify(images[0], perturbed)
        return Exhibit(
            sample=sample,
            label=self.name(plan, int(labels[0])),
            clean=encode(images[0], self._largest),
            perturbed=encode(perturbed, self._largest),
            difference=encode(difference, self._largest),
            magnification=magnification,
            predictions=tuple((who, tuple(self.name(plan, seen) for seen in draws)) for who, draws in predictions),
        )

    def perturbed(self, plan: Plan, sample: int) -> Image:
        """A sample's crafted image (C, H, W)."""
        number, position = divmod(plan.indices.index(sample), plan.shard_size)
        sha256 = {shard.number: shard.perturbed_sha256 for shard in self._store.shards(plan)}[number]
        if sha256 not in self._crafted:
            self._crafted[sha256] = self._store.artifacts.read(sha256)
            if len(self._crafted) > _SHARDS:
                del self._crafted[next(iter(self._crafted))]
        image: Image = self._crafted[sha256][position]
        return image

    def classes(self, plan: Plan) -> Sequence[str]:
        """What the classes of the plan's data set are called."""
        return self._images(plan).task.classes

    def name(self, plan: Plan, predicted: int) -> str:
        """What a class is called; 'abstains' for the class that a defense gives where it gives none."""
        classes = self.classes(plan)
        return classes[predicted] if 0 <= predicted < len(classes) else "abstains"

    def _images(self, plan: Plan) -> ImageSet:
        """The plan's images, checked."""
        return self._once((*self._key(plan), plan.images), lambda: self._checked(plan))

    def _checked(self, plan: Plan) -> ImageSet:
        found = self._once(self._key(plan), lambda: self._loaded(plan))
        if len(found) != plan.size or found.fingerprint(plan.indices) != plan.images:
            raise DataError(
                f"The images of {plan.dataset.name} are not those that plan {plan.digest[:12]} was made for; name "
                f"the folder that holds those with --data-dir."
            )
        return found

    def _once(self, key: Hashable, find: Callable[[], ImageSet]) -> ImageSet:
        """What is found; it is looked for once, be it there or not."""
        if key not in self._known:
            try:
                self._known[key] = find()
            except DataError as error:
                self._known[key] = error
        found = self._known[key]
        if isinstance(found, DataError):
            raise found
        return found

    def _key(self, plan: Plan) -> tuple[str, Path | None]:
        return identity(plan.dataset), self._place(plan)

    def _place(self, plan: Plan) -> Path | None:
        """The folder to look into: the one that was named, else the one that the plan was last run with, if it is
        still there."""
        told = plan.dataset.place.get("folder")
        remembered = Path(told) if isinstance(told, str) else None
        return self._folder or (remembered if remembered is not None and remembered.exists() else None)

    def _loaded(self, plan: Plan) -> ImageSet:
        if not datasets.holds(plan.dataset.name.partition(":")[0]):
            raise DataError(
                f"The data set {plan.dataset.name} is not registered here, and reading a store runs no code that "
                f"it names; install the package that has it."
            )
        try:
            with local_only(), blame(plan.dataset.name):
                return datasets.make(plan.dataset.name, plan.dataset.params).load("test", self._place(plan))
        except PluginError as error:
            raise DataError(str(error)) from error


def encode(image: Image, largest: int = LARGEST) -> str:
    """An image (C, H, W) in [0, 1], C of 1 or 3, as a PNG data URI; equal images give equal text.

    Values are rounded to 8 bits, and images beyond `largest` pixels a side are averaged down. Other channels than 1
    or 3 are shown as grey, by their mean.
    """
    from PIL import Image as Pillow

    channels = image if len(image) in (1, 3) else image.mean(0, keepdims=True)
    pixels = (np.clip(np.nan_to_num(channels), 0, 1) * 255).round().astype(np.uint8).transpose(1, 2, 0)
    picture = Pillow.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    factor = -(-max(picture.size) // largest)
    content = io.BytesIO()
    (picture.reduce(factor) if factor > 1 else picture).save(content, "png", optimize=True)
    return "data:image/png;base64," + base64.b64encode(content.getvalue()).decode()


def magnify(clean: Image, perturbed: Image) -> tuple[Image, int]:
    """The difference (C, H, W) around mid-grey and how many times it is magnified: the largest of 1, 2, 5, 10, 20, ...
    (at most 500) that keeps it within [0, 1]; 1 for equal images."""
    delta = perturbed - clean
    largest = float(np.abs(delta).max(initial=0))
    steps = [step * 10**power for power in range(3) for step in _STEPS]
    fitting = [step for step in steps if step * largest <= 0.5 * (1 + _ROUNDING)]
    factor = max(fitting) if fitting and largest > 0 else 1
    return np.clip(0.5 + factor * delta, 0, 1), factor


def pick(samples: Sequence[int], labels: Sequence[int], scores: Sequence[float], count: int) -> tuple[int, ...]:
    """The `count` samples of the highest scores, one of each label before a second of any; ties by sample number."""
    taken: dict[int, int] = {}
    ranked = []
    for score, sample, label in sorted(zip((-score for score in scores), samples, labels, strict=True)):
        taken[label] = taken.get(label, 0) + 1
        ranked.append((taken[label], score, sample))
    return tuple(sample for _, _, sample in sorted(ranked)[:count])
