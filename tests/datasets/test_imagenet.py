"""ImageNet's validation images are found in every customary form, cut as RobustBench cuts them, and not kept."""

from __future__ import annotations

import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.datasets.imagenet import FILES, LIST, ImageNet, resize_and_crop, synsets, task
from bench.domain.errors import DataError
from bench.testing import assert_contracts, check_dataset
from tests import needs
from tests.datasets.written import encoded, in_cache, write_parquet

COUNT = 6
LABELS = [3, 0, 999, 3, 134, 517]
SYNSETS = list(synsets())
NAMES = [f"ILSVRC2012_val_{number:08}" for number in (293, 17, 44, 5, 2138, 11)]
SIZES = [(300, 256), (256, 300), (224, 512), (500, 375), (333, 500), (256, 256)]
LISTED = [4, 0, 3]


def pixels(number: int) -> np.ndarray:
    """A photograph of some size, with nothing but coarse noise on it."""
    width, height = SIZES[number % COUNT]
    coarse = np.random.RandomState(number).randint(0, 256, (height // 16 + 1, width // 16 + 1, 3)).astype(np.uint8)
    return coarse.repeat(16, 0).repeat(16, 1)[:height, :width]


PHOTOGRAPHS = [pixels(number) for number in range(COUNT)]


def as_parquet(root: Path, joint: Callable[[int], str] = lambda number: f"_{SYNSETS[LABELS[number]]}.JPEG") -> Path:
    """Two of the hub's files, whose names have the synset at their end."""
    names = [NAMES[number] + joint(number) for number in range(COUNT)]
    for part, rows in enumerate((slice(0, 4), slice(4, COUNT))):
        path = root / "data" / f"validation-{part:05}-of-00014.parquet"
        write_parquet(path, LABELS[rows], PHOTOGRAPHS[rows], ("image", "label"), names[rows], rows=2)
    write_parquet(root / "data" / "test-00000-of-00028.parquet", [-1], PHOTOGRAPHS[:1], ("image", "label"))
    train = [pixels(COUNT)] * 2
    write_parquet(root / "data" / "train-00000-of-00294.parquet", [5, 6], train, ("image", "label"))
    return root


def as_folders(root: Path) -> Path:
    """The customary folders, of all synsets, as they are unpacked."""
    for number in range(COUNT):
        folder = root / "val" / SYNSETS[LABELS[number]]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{NAMES[number]}.JPEG").write_bytes(encoded(PHOTOGRAPHS[number]))
    (root / "train" / SYNSETS[5]).mkdir(parents=True)
    (root / "train" / SYNSETS[5] / "n01443537_1.JPEG").write_bytes(encoded(pixels(COUNT)))
    return root


def write_list(folder: Path, numbers: list[int] = LISTED) -> None:
    """A list in RobustBench's form."""
    lines = [f"{SYNSETS[LABELS[number]]}/{NAMES[number]}.JPEG\n" for number in numbers]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / LIST).write_text("".join(lines))


def cut(number: int) -> np.ndarray:
    """What the data set should hold of a photograph."""
    image = resize_and_crop(Image.fromarray(PHOTOGRAPHS[number]))
    return np.asarray(image).transpose(2, 0, 1).astype(np.float32) / np.float32(255)


@pytest.fixture(autouse=True)
def unlisted(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if RobustBench, and so its list, were not installed."""
    monkeypatch.setitem(sys.modules, "robustbench", None)


@pytest.mark.parametrize("write", [as_parquet, as_folders])
def test_every_form_gives_all_images_where_no_list_is_at_hand(write: Callable[[Path], Path], tmp_path: Path) -> None:
    images = ImageNet().load("test", write(tmp_path))
    order = list(range(COUNT)) if write is as_parquet else [1, 3, 0, 4, 5, 2]
    found, labels = images.arrays(range(len(images)))
    assert labels.tolist() == [LABELS[number] for number in order]
    np.testing.assert_array_equal(found, np.stack([cut(number) for number in order]))
    assert images.task == task()


@pytest.mark.parametrize("write", [as_parquet, as_folders])
def test_the_customary_images_are_those_on_the_list_in_its_order(write: Callable[[Path], Path], tmp_path: Path) -> None:
    write_list(write(tmp_path))
    images = ImageNet().load("test", tmp_path)
    found, labels = images.arrays(range(len(images)))
    assert labels.tolist() == [LABELS[number] for number in LISTED]
    np.testing.assert_array_equal(found, np.stack([cut(number) for number in LISTED]))
    assert len(ImageNet(images="all").load("test", tmp_path)) == COUNT


def test_the_list_of_an_installed_robustbench_serves_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "site" / "robustbench"
    write_list(package / "helper_files")
    (package / "__init__.py").write_text("raise ImportError('must not be imported')")
    monkeypatch.setattr(sys, "path", [str(tmp_path / "site"), *sys.path])
    monkeypatch.delitem(sys.modules, "robustbench", raising=False)
    images = ImageNet().load("test", as_folders(tmp_path / "data"))
    assert images.labels.tolist() == [LABELS[number] for number in LISTED]


@pytest.mark.parametrize("write", [as_parquet, as_folders])
def test_a_folder_of_the_split_itself_serves_as_the_data(write: Callable[[Path], Path], tmp_path: Path) -> None:
    inner = write(tmp_path) / ("data" if write is as_parquet else "val")
    assert len(ImageNet().load("test", inner)) == COUNT


def test_one_parquet_file_serves_as_the_data_with_the_list_beside_it(tmp_path: Path) -> None:
    path = as_parquet(tmp_path) / "data" / "validation-00000-of-00014.parquet"
    assert len(ImageNet().load("test", path)) == 4
    write_list(path.parent, [3, 0])
    assert ImageNet().load("test", path).labels.tolist() == [LABELS[3], LABELS[0]]


def test_training_images_are_all_there_are(tmp_path: Path) -> None:
    write_list(tmp_path)
    assert ImageNet().load("train", as_parquet(tmp_path)).labels.tolist() == [5, 6]
    assert ImageNet().load("train", as_folders(tmp_path / "other")).labels.tolist() == [5]
    with pytest.raises(DataError, match="training images are not fetched; use --data-dir"):
        ImageNet().load("train", None)


@pytest.mark.parametrize("write", [as_parquet, as_folders])
def test_it_keeps_the_contracts_of_a_data_set(write: Callable[[Path], Path], tmp_path: Path) -> None:
    assert_contracts(check_dataset("imagenet", write(tmp_path)))


@pytest.mark.parametrize("size", SIZES)
def test_images_are_cut_as_torchvision_cuts_them(size: tuple[int, int]) -> None:
    transforms = pytest.importorskip("torchvision.transforms", reason=needs.reason("torchvision"))
    image = Image.fromarray(pixels(SIZES.index(size)))
    reference = transforms.Compose([transforms.Resize(256), transforms.CenterCrop(224)])(image)
    np.testing.assert_array_equal(np.asarray(resize_and_crop(image)), np.asarray(reference))


def test_the_shorter_side_becomes_256_and_the_centre_224_stay() -> None:
    ramp = np.tile(np.arange(512, dtype=np.uint8)[None, :, None] // 4, (256, 1, 3))
    found = np.asarray(resize_and_crop(Image.fromarray(ramp)))
    assert found.shape == (224, 224, 3)
    np.testing.assert_array_equal(found, ramp[16:240, 144:368])
    assert resize_and_crop(Image.fromarray(ramp[:, :100])).size == (224, 224)


def test_there_are_a_thousand_classes_each_named_once_in_the_order_of_their_synsets() -> None:
    classes = task().classes
    assert len(set(classes)) == 1000
    assert sorted(SYNSETS) == SYNSETS
    assert [classes[label] for label in (0, 134, 517, 638, 639, 999)] == [
        *("tench", "crane bird", "crane", "maillot", "maillot tank suit", "toilet tissue")
    ]
    assert synsets()["n01440764"] == "tench"


def test_images_stay_on_disk_until_they_are_read(tmp_path: Path) -> None:
    copies = 40
    write_parquet(tmp_path / "val.parquet", [0] * copies, [PHOTOGRAPHS[5]] * copies, ("image", "label"), rows=4)
    tracemalloc.start()
    images = ImageNet().load("test", tmp_path)
    for index in range(copies):
        images.decode(index)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10 * 4 * 3 * 224 * 224


@pytest.mark.parametrize("write", [as_parquet, as_folders])
def test_a_listed_image_that_is_not_there_is_named(write: Callable[[Path], Path], tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / LIST).write_text("n01440764/ILSVRC2012_val_99999999.JPEG\n")
    with pytest.raises(DataError, match=r"ILSVRC2012_val_99999999.*use -S images=all"):
        ImageNet().load("test", tmp_path)
    (tmp_path / LIST).write_text("tench/ILSVRC2012_val_99999999.JPEG\n")
    with pytest.raises(DataError, match=r"should hold lines <synset>/<image>; found tench/"):
        ImageNet().load("test", tmp_path)


def test_a_listed_image_with_another_label_is_named(tmp_path: Path) -> None:
    as_parquet(tmp_path, lambda number: ".JPEG")
    (tmp_path / LIST).write_text(f"n01440764/{NAMES[0]}.JPEG\n")
    with pytest.raises(DataError, match=r"has the label 3 instead of 0"):
        ImageNet().load("test", tmp_path)


def test_missing_images_are_told_with_what_would_serve(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"No test images of ImageNet in .*'validation'.*image and label.*val/<synset>"):
        ImageNet().load("test", tmp_path)
    with pytest.raises(DataError, match=r"No train images of ImageNet in .*'train'"):
        ImageNet().load("train", tmp_path)
    with pytest.raises(DataError, match="does not exist; --data-dir is where ImageNet lies"):
        ImageNet().load("test", tmp_path / "nowhere")
    (tmp_path / "val" / "tench").mkdir(parents=True)
    with pytest.raises(DataError, match=r"should hold a folder a synset, as n01440764; found is tench"):
        ImageNet().load("test", tmp_path)


def test_the_hub_is_asked_for_the_validation_files_alone(hub: Path) -> None:
    with pytest.raises(DataError, match=r"ImageNet could not be fetched from the hub \(ILSVRC/imagenet-1k\)"):
        ImageNet().load("test", None)
    snapshot = in_cache(hub, "ILSVRC/imagenet-1k")
    for part, file in enumerate(FILES):
        write_parquet(snapshot / file, [part], PHOTOGRAPHS[:1], ("image", "label"))
    assert ImageNet().load("test", None).labels.tolist() == list(range(14))
