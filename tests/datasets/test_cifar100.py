"""CIFAR-100 reads alike from every form in which people keep it."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bench.datasets.cifar100 import CLASSES, Cifar100
from bench.domain.errors import DataError
from bench.testing import assert_contracts, check_dataset
from tests.datasets.written import Trap, encoded, in_cache, write_batch, write_parquet

COUNT = 12
PIXELS = np.random.RandomState(0).randint(0, 256, (2 * COUNT, 32, 32, 3)).astype(np.uint8)
LABELS = [(37 * number) % 100 for number in range(COUNT)]
COLUMNS = ("img", "fine_label")


def as_hub(root: Path) -> Path:
    write_parquet(root / "cifar100" / "test-00000-of-00001.parquet", LABELS, PIXELS[:COUNT], COLUMNS)
    write_parquet(root / "cifar100" / "train-00000-of-00001.parquet", LABELS, PIXELS[COUNT:], COLUMNS)
    return root


def as_one_file(root: Path) -> Path:
    write_parquet(root / "mine.parquet", LABELS, PIXELS[:COUNT], COLUMNS)
    return root / "mine.parquet"


def as_batches(root: Path) -> Path:
    write_batch(root / "cifar-100-python" / "test", LABELS, PIXELS[:COUNT], b"fine_labels")
    write_batch(root / "cifar-100-python" / "train", LABELS, PIXELS[COUNT:], b"fine_labels")
    return root


def as_folders(root: Path, joint: str = "_") -> Path:
    for split, pixels in (("test", PIXELS[:COUNT]), ("train", PIXELS[COUNT:])):
        for name in CLASSES:
            (root / split / name.replace(" ", joint)).mkdir(parents=True)
        for number, (image, label) in enumerate(zip(pixels, LABELS, strict=True)):
            folder = root / split / CLASSES[label].replace(" ", joint)
            (folder / f"{number:03}.png").write_bytes(encoded(image))
    return root


def as_folders_with_blanks(root: Path) -> Path:
    return as_folders(root, " ")


@pytest.mark.parametrize("write", [as_hub, as_one_file, as_batches, as_folders, as_folders_with_blanks])
def test_every_form_gives_the_same_images(write: Callable[[Path], Path], tmp_path: Path) -> None:
    images = Cifar100().load("test", write(tmp_path))
    pixels, labels = images.arrays(range(len(images)))
    places = [LABELS.index(label) for label in labels.tolist()]
    assert sorted(places) == list(range(COUNT))
    assert places == list(range(COUNT)) or "folders" in write.__name__
    expected = PIXELS[places].transpose(0, 3, 1, 2).astype(np.float32) / np.float32(255)
    np.testing.assert_array_equal(pixels, expected)
    assert images.task.classes == CLASSES


@pytest.mark.parametrize("write", [as_hub, as_batches, as_folders])
def test_it_keeps_the_contracts_of_a_data_set(write: Callable[[Path], Path], tmp_path: Path) -> None:
    assert_contracts(check_dataset("cifar100", write(tmp_path)))


def test_the_classes_are_the_hundred_fine_labels_in_their_order() -> None:
    assert len(set(CLASSES)) == 100
    assert list(CLASSES) == sorted(CLASSES)
    assert (CLASSES[0], CLASSES[1], CLASSES[26], CLASSES[99]) == ("apple", "aquarium fish", "crab", "worm")


def test_a_pickle_that_would_run_code_is_refused(tmp_path: Path) -> None:
    (tmp_path / "cifar-100-python").mkdir()
    (tmp_path / "cifar-100-python" / "test").write_bytes(pickle.dumps({"data": Trap(), "fine_labels": []}))
    with pytest.raises(DataError, match=r"no CIFAR-100 batch: it asks for builtins\.exec, which could run code"):
        Cifar100().load("test", tmp_path)


def test_the_files_of_cifar10_are_told_from_its_own(tmp_path: Path) -> None:
    write_parquet(tmp_path / "test.parquet", LABELS, PIXELS[:COUNT])
    with pytest.raises(DataError, match=r"no parquet file with the columns img and fine_label"):
        Cifar100().load("test", tmp_path)
    (tmp_path / "test.parquet").unlink()
    write_batch(tmp_path / "cifar-100-python" / "test", LABELS, PIXELS[:COUNT])
    with pytest.raises(DataError, match=r"is no CIFAR-100 batch: it should hold .* N fine_labels"):
        Cifar100().load("test", tmp_path)


def test_missing_images_are_told_with_what_would_serve(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"No test images of CIFAR-100 in .*fine_label.*cifar-100-python"):
        Cifar100().load("test", tmp_path)
    write_parquet(tmp_path / "test.parquet", [100], PIXELS[:1], COLUMNS)
    with pytest.raises(DataError, match=r"The labels of CIFAR-100 are 0 to 99; test\.parquet has 100"):
        Cifar100().load("test", tmp_path)


def test_a_file_in_the_cache_of_the_hub_is_used_without_a_network(hub: Path) -> None:
    with pytest.raises(DataError, match=r"CIFAR-100 could not be fetched from the hub \(uoft-cs/cifar100\)"):
        Cifar100().load("test", None)
    as_hub(in_cache(hub, "uoft-cs/cifar100"))
    assert Cifar100().load("test", None).labels.tolist() == LABELS
