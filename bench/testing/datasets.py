"""What every data set must keep."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, get_args

import numpy as np

from bench.domain.dataset import Dataset, ImageSet, Split
from bench.domain.threat import ThreatModel
from bench.plugins.registry import datasets
from bench.testing.contracts import RECIPE, Finding, judge, made

READ = 256
"""How many images of a split are looked at."""


@dataclass(frozen=True)
class Subject:
    """A data set, where it lies, and whether its splits are meant to be the same images."""

    reference: str
    plugin: Dataset
    folder: Path | None
    same_splits: bool


@dataclass(frozen=True)
class Loaded:
    """Both splits in memory."""

    subject: Subject
    splits: Mapping[Split, ImageSet]


def check_dataset(
    dataset: str | Dataset,
    folder: Path | None = None,
    settings: Mapping[str, Any] | None = None,
    same_splits: bool = False,
) -> list[Finding]:
    """The findings of every contract of a data set, given as a reference, to which `settings` belong, or an instance.

    `folder` is where its files are; `same_splits` declares that both splits are the same images. Raises `UsageError`
    or `PluginError` where there is no such plugin.
    """
    reference, plugin = made(datasets, dataset, settings)
    subject = Subject(reference, plugin, folder, same_splits)
    findings = [judge(contract, subject) for contract in (*RECIPE, has_budgets_that_can_be_spent)]
    held: dict[Split, ImageSet] = {}

    def loads(subject: Subject) -> str | None:
        held.update({split: subject.plugin.load(split, subject.folder) for split in get_args(Split)})
        wrong = [split for split, images in held.items() if not isinstance(images, ImageSet)]
        return f"load() of {' and '.join(wrong)} must return a bench.ImageSet." if wrong else None

    findings.append(judge(loads, subject))
    if findings[-1].passed:
        loaded = Loaded(subject, held)
        contracts = (
            names_each_class_once,
            holds_images_of_its_task,
            holds_labels_of_its_classes,
            gives_the_same_images_again,
            keeps_its_splits_apart,
        )
        findings += [judge(contract, loaded) for contract in contracts]
    return findings


def has_budgets_that_can_be_spent(subject: Subject) -> str | None:
    """Customary budgets are exact numbers in norms that the harness knows; a wrong one raises its own sentence."""
    for norm, epsilon in subject.plugin.budgets.items():
        ThreatModel(norm, Fraction(epsilon))
    return None


def names_each_class_once(loaded: Loaded) -> str | None:
    """Both splits are of one task, whose classes are at least two different names."""
    train, test = loaded.splits["train"].task, loaded.splits["test"].task
    if train != test:
        return f"Its splits are of different tasks: {train} and {test}."
    if len(test.classes) < 2 or len(set(test.classes)) < len(test.classes):
        return f"The classes must be two or more different names; found {', '.join(test.classes) or 'none'}."
    return None


def holds_images_of_its_task(loaded: Loaded) -> str | None:
    """Images are float32 (C, H, W) of the task's shape, finite and in [0, 1]."""
    for split, images in loaded.splits.items():
        for index in _some(images):
            image, shape = images.decode(index), images.task.shape
            if image.dtype != np.float32 or image.shape != shape:
                return f"Image {index} of {split} is {image.dtype} {image.shape}; float32 {shape} was expected."
            if not (np.isfinite(image).all() and image.min() >= 0 and image.max() <= 1):
                return f"Image {index} of {split} spans [{image.min():.3g}, {image.max():.3g}]; scale pixels to [0, 1]."
    return None


def holds_labels_of_its_classes(loaded: Loaded) -> str | None:
    """Labels are whole numbers that point into the classes."""
    for split, images in loaded.splits.items():
        labels, classes = images.labels, len(images.task.classes)
        if labels.dtype != np.int64 or labels.ndim != 1 or not len(labels):
            return f"The labels of {split} are {labels.dtype} {labels.shape}; one int64 an image was expected."
        if labels.min() < 0 or labels.max() >= classes:
            return f"The labels of {split} span {labels.min()} to {labels.max()}; 0 to {classes - 1} was expected."
    return None


def gives_the_same_images_again(loaded: Loaded) -> str | None:
    """Loading once more gives images and labels of the same fingerprint."""
    for split, images in loaded.splits.items():
        again = loaded.subject.plugin.load(split, loaded.subject.folder)
        if len(again) != len(images) or again.fingerprint(_some(images)) != images.fingerprint(_some(images)):
            return f"Loading {split} twice gives different images; fix their order and every random choice."
    return None


def keeps_its_splits_apart(loaded: Loaded) -> str | None:
    """No image tested on is one trained on, as far as looked; declared equal splits are equal."""
    train, test = loaded.splits["train"], loaded.splits["test"]
    known = {train.decode(index).tobytes() for index in _some(train)}
    shared = sum(test.decode(index).tobytes() in known for index in _some(test))
    if loaded.subject.same_splits:
        return None if shared == len(_some(test)) else "Its splits are declared to be the same images, and are not."
    if shared < max(1, len(_some(test)) // 2):  # a few images occur twice in many a data set
        return None
    return (
        f"{shared} of {len(_some(test))} test images are training images; keep the splits apart, or declare that they "
        f"are the same."
    )


def _some(images: ImageSet) -> range:
    """The first indices of a split."""
    return range(min(READ, len(images)))
