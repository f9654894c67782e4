"""CIFAR-10 reads alike from every form in which people keep it, and runs nothing that comes with it."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow
import pytest
from pyarrow import parquet

from bench.datasets.cifar10 import CLASSES, Cifar10
from bench.domain.errors import DataError
from tests.datasets.written import Trap, encoded, in_cache, write_batch, write_parquet

COUNT = 20
PIXELS = np.random.RandomState(0).randint(0, 256, (COUNT, 32, 32, 3)).astype(np.uint8)
LABELS = [(3 * number) % 10 for number in range(COUNT)]


def as_hub(root: Path) -> Path:
    write_parquet(root / "plain_text" / "test-00000-of-00001.parquet", LABELS, PIXELS)
    write_parquet(root / "plain_text" / "train-00000-of-00001.parquet", LABELS[:5], PIXELS[:5])
    return root


def as_parts(root: Path) -> Path:
    write_parquet(root / "test-00000-of-00002.parquet", LABELS[:12], PIXELS[:12])
    write_parquet(root / "test-00001-of-00002.parquet", LABELS[12:], PIXELS[12:])
    return root


def as_converted_branch(root: Path) -> Path:
    write_parquet(root / "test" / "0000.parquet", LABELS, PIXELS)
    write_parquet(root / "train" / "0000.parquet", LABELS[:5], PIXELS[:5])
    return root


def as_one_file(root: Path) -> Path:
    write_parquet(root / "mine.parquet", LABELS, PIXELS)
    return root / "mine.parquet"


def as_batches(root: Path) -> Path:
    write_batch(root / "cifar-10-batches-py" / "test_batch", LABELS, PIXELS)
    for part in range(5):
        write_batch(root / "cifar-10-batches-py" / f"data_batch_{part + 1}", LABELS[part : part + 1], PIXELS[:1] + part)
    return root


@pytest.mark.parametrize("write", [as_hub, as_parts, as_converted_branch, as_one_file, as_batches])
def test_every_form_gives_the_same_images_in_file_order(write: Callable[[Path], Path], tmp_path: Path) -> None:
    images = Cifar10().load("test", write(tmp_path))
    pixels, labels = images.arrays(range(len(images)))
    np.testing.assert_array_equal(pixels, PIXELS.transpose(0, 3, 1, 2).astype(np.float32) / np.float32(255))
    assert labels.tolist() == LABELS
    assert images.task.classes == CLASSES


def test_class_folders_give_the_images_by_class_and_name(tmp_path: Path) -> None:
    for name in CLASSES:
        (tmp_path / "test" / name).mkdir(parents=True)
    for number, (pixels, label) in enumerate(zip(PIXELS, LABELS, strict=True)):
        (tmp_path / "test" / CLASSES[label] / f"{number:03}.png").write_bytes(encoded(pixels))
    images = Cifar10().load("test", tmp_path)
    order = sorted(range(COUNT), key=lambda number: (LABELS[number], number))
    pixels, labels = images.arrays(range(len(images)))
    np.testing.assert_array_equal(pixels, PIXELS[order].transpose(0, 3, 1, 2).astype(np.float32) / np.float32(255))
    assert labels.tolist() == [LABELS[number] for number in order]


def test_training_batches_are_joined_in_their_order(tmp_path: Path) -> None:
    images = Cifar10().load("train", as_batches(tmp_path))
    assert images.labels.tolist() == LABELS[:5]
    np.testing.assert_array_equal(images.decode(3)[:, 0, 0] * 255, (PIXELS[0, 0, 0] + 3))


def test_a_batch_that_python_3_wrote_is_read_too(tmp_path: Path) -> None:
    rows = PIXELS.transpose(0, 3, 1, 2).reshape(-1, 3072)
    (tmp_path / "test_batch").write_bytes(pickle.dumps({b"data": rows, b"labels": LABELS}, protocol=4))
    assert Cifar10().load("test", tmp_path).labels.tolist() == LABELS


def test_a_pickle_that_would_run_code_is_refused(tmp_path: Path) -> None:
    (tmp_path / "test_batch").write_bytes(pickle.dumps({"data": Trap(), "labels": []}))
    with pytest.raises(DataError, match=r"it asks for builtins\.exec, which could run code; refused"):
        Cifar10().load("test", tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x80\x02}q",
        pickle.dumps([1, 2]),
        pickle.dumps({"data": [1], "labels": [1]}),
        pickle.dumps({"labels": [1]}),
    ],
)
def test_a_broken_batch_is_named(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "test_batch").write_bytes(content)
    with pytest.raises(DataError, match=r"test_batch is no (readable )?CIFAR-10 batch"):
        Cifar10().load("test", tmp_path)


def test_a_split_that_is_not_there_is_told_with_what_would_serve(tmp_path: Path) -> None:
    write_parquet(tmp_path / "test.parquet", LABELS, PIXELS)
    with pytest.raises(DataError, match="No train images of CIFAR-10 in"):
        Cifar10().load("train", tmp_path)
    with pytest.raises(DataError, match="No train images of CIFAR-10 in"):
        Cifar10().load("train", tmp_path / "test.parquet")
    with pytest.raises(DataError, match="does not exist"):
        Cifar10().load("test", tmp_path / "nowhere")


def test_a_parquet_that_is_none_or_lacks_a_column_is_named(tmp_path: Path) -> None:
    (tmp_path / "test.parquet").write_bytes(b"not at all")
    with pytest.raises(DataError, match=r"test\.parquet is no parquet file with the columns img and label"):
        Cifar10().load("test", tmp_path)
    parquet.write_table(pyarrow.table({"image": [1], "label": [2]}), tmp_path / "test.parquet")
    with pytest.raises(DataError, match=r"test\.parquet is no parquet file with the columns img and label"):
        Cifar10().load("test", tmp_path)


def test_labels_beyond_nine_and_images_of_another_size_are_refused(tmp_path: Path) -> None:
    write_parquet(tmp_path / "test.parquet", [10], PIXELS[:1])
    with pytest.raises(DataError, match=r"The labels of CIFAR-10 are 0 to 9; test\.parquet has 10"):
        Cifar10().load("test", tmp_path)
    write_parquet(tmp_path / "test.parquet", [1], PIXELS[:1, :16])
    with pytest.raises(DataError, match=r"has 32x32 pixels; 0 of test\.parquet has 32x16"):
        Cifar10().load("test", tmp_path).decode(0)


def test_class_folders_of_other_names_are_refused(tmp_path: Path) -> None:
    (tmp_path / "test" / "plane").mkdir(parents=True)
    with pytest.raises(DataError, match=r"should hold the class folders airplane, .*; found are: plane"):
        Cifar10().load("test", tmp_path)


@pytest.mark.usefixtures("hub")
def test_without_a_network_the_message_names_the_way_out() -> None:
    with pytest.raises(DataError, match=r"could not be fetched from the hub \(uoft-cs/cifar10\).*--data-dir"):
        Cifar10().load("test", None)


def test_a_file_in_the_cache_of_the_hub_is_used_without_a_network(hub: Path) -> None:
    as_hub(in_cache(hub, "uoft-cs/cifar10"))
    assert Cifar10().load("test", None).labels.tolist() == LABELS
