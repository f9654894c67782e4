"""CIFAR-10-C's files are cut at the right severity, mapped and not read, and told apart from others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.lib.format import open_memmap
from PIL import Image

from bench import DataError, UsageError
from bench.datasets.cifar10 import CLASSES, TASK, Cifar10
from bench.datasets.cifar10_c import COMMON, COUNT, EXTRA, KINDS, Cifar10C
from bench.testing import assert_contracts, check_dataset

ROWS = 5 * COUNT
PLACES = [(severity, index) for severity in (1, 3, 5) for index in (0, 1, COUNT - 1)]


def pixels(severity: int, index: int) -> np.ndarray:
    """The image that the files of these tests hold at a place."""
    return np.random.RandomState(10 * index + severity).randint(0, 256, (32, 32, 3)).astype(np.uint8)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of the published shape, sparse on disk, with training images beside them."""
    root = tmp_path_factory.mktemp("data")
    (root / "CIFAR-10-C").mkdir()
    images = open_memmap(root / "CIFAR-10-C" / "fog.npy", "w+", np.uint8, (ROWS, 32, 32, 3))
    for severity, index in PLACES:
        images[COUNT * (severity - 1) + index] = pixels(severity, index)
    images.flush()
    np.save(root / "CIFAR-10-C" / "labels.npy", np.tile(np.arange(COUNT) % 10, 5).astype(np.uint8))
    for number, name in enumerate(CLASSES):
        (root / "train" / name).mkdir(parents=True)
        Image.fromarray(pixels(6, number)).save(root / "train" / name / "0.png")
    return root


@pytest.mark.parametrize(("severity", "index"), PLACES)
def test_a_severity_is_its_own_block_of_ten_thousand(files: Path, severity: int, index: int) -> None:
    data = Cifar10C("fog", severity).load("test", files)
    images, labels = data.arrays([index])
    assert len(data) == COUNT
    assert np.array_equal(images[0], pixels(severity, index).transpose(2, 0, 1).astype(np.float32) / np.float32(255))
    assert labels.tolist() == [index % 10]


def test_samples_pair_with_those_of_cifar10_under_the_same_task(files: Path) -> None:
    data = Cifar10C("fog", 2).load("test", files / "CIFAR-10-C")
    assert data.task == TASK
    assert data.labels.tolist() == [index % 10 for index in range(COUNT)]
    assert Cifar10C("fog", 2).budgets.items() <= Cifar10.budgets.items()


def test_training_images_are_those_of_cifar10(files: Path) -> None:
    assert len(Cifar10C("fog", 1).load("train", files)) == len(Cifar10().load("train", files)) == 10


def test_it_keeps_the_contracts_of_a_data_set(files: Path) -> None:
    assert_contracts(check_dataset("cifar10-c", files, {"kind": "fog", "severity": 4}))


def test_there_are_fifteen_common_kinds_and_four_others() -> None:
    assert (len(set(COMMON)), len(set(EXTRA)), len(set(KINDS))) == (15, 4, 19)


@pytest.mark.parametrize(
    ("kind", "severity", "sentence"),
    [("fogg", 1, "Did you mean 'fog'"), ("fog", 0, "1, 2, 3, 4 or 5"), ("fog", 6, "got 6")],
)
def test_an_unknown_corruption_is_told_what_there_is(kind: str, severity: int, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        Cifar10C(kind, severity)


def test_a_missing_folder_or_file_is_told_where_to_fetch_it(files: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="--data-dir FOLDER"):
        Cifar10C("fog", 1).load("test", None)
    with pytest.raises(DataError, match=r"no file .*snow\.npy.*zenodo"):
        Cifar10C("snow", 1).load("test", files)
    with pytest.raises(DataError, match=r"no file .*fog\.npy"):
        Cifar10C("fog", 1).load("test", tmp_path)


def test_a_file_of_another_shape_type_or_format_is_told_so(files: Path, tmp_path: Path) -> None:
    fog = tmp_path / "fog.npy"
    for content, sentence in [
        (np.zeros((100, 32, 32, 3), np.uint8), r"uint8 \(50000, 32, 32, 3\); found uint8 \(100, 32, 32, 3\)"),
        (np.zeros((2, 2)), r"found float64 \(2, 2\)"),
        (np.array([{"code": 1}], dtype=object), "cannot be read as a numpy array"),
    ]:
        np.save(fog, content, allow_pickle=True)
        with pytest.raises(DataError, match=sentence):
            Cifar10C("fog", 1).load("test", tmp_path)
    fog.write_bytes(b"not an array")
    with pytest.raises(DataError, match="cannot be read as a numpy array"):
        Cifar10C("fog", 1).load("test", tmp_path)


@pytest.mark.parametrize("labels", [np.arange(ROWS) // COUNT, np.full(ROWS, 10)])
def test_labels_that_are_not_those_of_the_data_set_are_told_so(files: Path, tmp_path: Path, labels: np.ndarray) -> None:
    (tmp_path / "fog.npy").symlink_to(files / "CIFAR-10-C" / "fog.npy")
    np.save(tmp_path / "labels.npy", labels.astype(np.uint8))
    with pytest.raises(DataError, match="repeat the same labels from 0 to 9"):
        Cifar10C("fog", 3).load("test", tmp_path)
