"""The embedded digits are scikit-learn's, split once and for all."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from bench.datasets.digits import Digits


def test_train_and_test_together_are_the_digits_of_scikit_learn() -> None:
    datasets = pytest.importorskip("sklearn.datasets", reason="needs scikit-learn: pip install -e '.[test]'")
    original = datasets.load_digits()
    order = np.random.RandomState(2024).permutation(1797)
    parts = [Digits().load(split, None) for split in ("train", "test")]
    images = np.concatenate([part.arrays(range(len(part)))[0] for part in parts])
    labels = np.concatenate([part.labels for part in parts])
    np.testing.assert_array_equal(images[:, 0] * 16, original.images[order])
    np.testing.assert_array_equal(labels, original.target[order])


def test_the_split_has_773_training_and_1024_test_images_of_every_class() -> None:
    train, test = (Digits().load(split, None) for split in ("train", "test"))
    assert (len(train), len(test)) == (773, 1024)
    assert min(np.bincount(train.labels)) > 60
    assert min(np.bincount(test.labels)) > 80


def test_an_image_is_float32_in_the_unit_range_with_one_channel() -> None:
    images, labels = Digits().load("test", None).arrays(range(1024))
    assert images.shape == (1024, 1, 8, 8)
    assert images.dtype == np.float32
    assert (images.min(), images.max()) == (0.0, 1.0)
    assert labels.dtype == np.int64


def test_the_test_images_are_the_ones_that_plans_were_made_for() -> None:
    fingerprint = Digits().load("test", None).fingerprint(range(1024))
    assert fingerprint == "3d020e9ba974802ff03b6bfa6533730af8afa7ae1361316e1ffa40ef80178677"


def test_the_budgets_leave_room_for_a_perfectly_robust_classifier() -> None:
    parts = [Digits().load(split, None) for split in ("train", "test")]
    images = np.concatenate([part.arrays(range(len(part)))[0] for part in parts]).reshape(1797, -1)
    labels = np.concatenate([part.labels for part in parts])
    nearest = dict.fromkeys(("linf", "l2", "l1", "l0"), np.inf)
    for image, label in zip(images, labels, strict=True):
        difference = images[labels != label] - image
        distances = {
            "linf": np.abs(difference).max(1),
            "l2": np.sqrt(np.square(difference).sum(1)),
            "l1": np.abs(difference).sum(1),
            "l0": (difference != 0).sum(1),
        }
        nearest = {norm: min(nearest[norm], found.min()) for norm, found in distances.items()}
    for norm, least in nearest.items():
        assert float(Digits.budgets[norm]) < least / 2


def test_reading_arrays_does_not_load_torch() -> None:
    program = (
        "import sys; from bench.datasets.digits import Digits; "
        "Digits().load('test', None).fingerprint(range(9)); print('torch' in sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "False"
