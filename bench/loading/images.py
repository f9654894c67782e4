"""A plan's data set becomes images in memory."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench.domain.blame import blame
from bench.domain.dataset import Dataset, ImageSet, Split, Task
from bench.domain.errors import DataError, PluginError
from bench.domain.plan import Plan, Spec
from bench.plugins.registry import datasets


def open_images(spec: Spec, data_dir: Path | None, split: Split = "test") -> ImageSet:
    """The images that a data set's spec names; `PluginError` where its plugin fails or gives none."""
    return images_of(datasets.make(spec.reference, spec.settings), spec.name, data_dir, split)


def images_of(recipe: Dataset, name: str, data_dir: Path | None, split: Split = "test") -> ImageSet:
    """The images of a data set with this name."""
    with blame(name):
        images = recipe.load(split, data_dir)
        if not isinstance(images, ImageSet):
            raise PluginError(f"load() gave {type(images).__name__}; it must give a bench.ImageSet.")
        if not isinstance(images.task, Task) or len(images) < 1:
            raise PluginError("load() gave no images, or no bench.Task with them.")
        return images


def fingerprint(images: ImageSet, indices: Sequence[int], spec: Spec) -> str:
    """SHA-256 of samples of a data set; `PluginError` where they cannot be decoded."""
    with blame(spec.name):
        return images.fingerprint(indices)


def check_samples(plan: Plan, images: ImageSet) -> None:
    """Raise `DataError` where a plan's samples of a data set are not those that it was made for."""
    if len(images) != plan.size or fingerprint(images, plan.indices, plan.dataset) != plan.images:
        raise DataError(f"The images of {plan.dataset.name} are not those this plan was made for; check --data-dir.")
