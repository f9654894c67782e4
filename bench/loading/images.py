"""A plan's data set becomes images in memory."""

from __future__ import annotations

from pathlib import Path

from bench.domain.dataset import ImageSet, Split
from bench.domain.errors import DataError
from bench.domain.plan import Plan, Spec
from bench.registry import datasets


def open_images(spec: Spec, data_dir: Path | None, split: Split = "test") -> ImageSet:
    """The images that a data set's spec names."""
    return datasets.make(spec.reference, spec.settings).load(split, data_dir)


def images_of(plan: Plan, data_dir: Path | None) -> ImageSet:
    """The images of a plan's data set; `DataError` where its samples are not those that the plan was made for."""
    data = open_images(plan.dataset, data_dir)
    if data.fingerprint(plan.indices) != plan.images:
        raise DataError(f"The images of {plan.dataset.name} are not those this plan was made for; check --data-dir.")
    return data
