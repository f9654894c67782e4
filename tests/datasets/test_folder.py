"""A folder of images becomes a data set, and says which file is wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.datasets.folder import Folder
from bench.domain.errors import DataError, UsageError


def save(path: Path, value: int | tuple[int, int, int] = 0, size: tuple[int, int] = (6, 4), mode: str = "RGB") -> None:
    """An image of one colour."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, value).save(path)


def test_classes_and_images_are_sorted_and_hidden_or_foreign_files_left_out(tmp_path: Path) -> None:
    for number, name in enumerate(["zebra/b.png", "zebra/a.PNG", "ant/deep/c.png"]):
        save(tmp_path / name, (number, 0, 0))
    (tmp_path / "ant" / "notes.txt").write_text("no image")
    (tmp_path / "zebra" / "._a.png").write_bytes(b"a desktop's own file")
    (tmp_path / ".cache").mkdir()
    images = Folder().load("test", tmp_path)
    assert images.task.classes == ("ant", "zebra")
    assert images.task.shape == (3, 4, 6)
    pixels, labels = images.arrays(range(3))
    assert labels.tolist() == [0, 1, 1]
    assert (pixels[:, 0, 0, 0] * 255).round().tolist() == [2, 1, 0]


def test_without_split_folders_both_splits_are_the_same_images(tmp_path: Path) -> None:
    save(tmp_path / "ant" / "a.png")
    train, test = (Folder().load(split, tmp_path) for split in ("train", "test"))
    assert train.fingerprint([0]) == test.fingerprint([0])


def test_split_folders_share_the_classes_of_both(tmp_path: Path) -> None:
    save(tmp_path / "train" / "ant" / "a.png")
    save(tmp_path / "train" / "bee" / "b.png")
    save(tmp_path / "test" / "bee" / "c.png")
    train, test = (Folder().load(split, tmp_path) for split in ("train", "test"))
    assert train.task == test.task
    assert (train.labels.tolist(), test.labels.tolist()) == ([0, 1], [1])


def test_a_size_scales_the_shorter_side_and_cuts_the_centre(tmp_path: Path) -> None:
    wide = Image.new("RGB", (24, 8))
    wide.paste((255, 0, 0), (8, 0, 16, 8))
    (tmp_path / "a").mkdir()
    wide.save(tmp_path / "a" / "wide.png")
    image = Folder(size=4).load("test", tmp_path).decode(0)
    assert image.shape == (3, 4, 4)
    assert image[0, :, 1:3].min() > 0.99
    assert image[1:].max() == 0


def test_a_size_leaves_an_image_of_that_size_as_it_is(tmp_path: Path) -> None:
    pixels = np.random.RandomState(0).randint(0, 256, (5, 5, 3)).astype(np.uint8)
    (tmp_path / "a").mkdir()
    Image.fromarray(pixels).save(tmp_path / "a" / "a.png")
    image = Folder(size=5).load("test", tmp_path).decode(0)
    np.testing.assert_array_equal((image * 255).round().astype(np.uint8), pixels.transpose(2, 0, 1))


@pytest.mark.parametrize(("channels", "mode"), [(1, "RGB"), (1, "L"), (3, "L"), (3, "RGBA"), (3, "P"), (1, "1")])
def test_every_mode_is_read_in_the_channels_asked_for(channels: int, mode: str, tmp_path: Path) -> None:
    save(tmp_path / "a" / "a.png", mode=mode)
    image = Folder(channels=channels).load("test", tmp_path).decode(0)
    assert image.shape == (channels, 4, 6)
    assert image.dtype == np.float32
    assert image.flags.c_contiguous


def test_a_corrupt_image_is_named(tmp_path: Path) -> None:
    save(tmp_path / "a" / "a.png", size=(64, 64))
    save(tmp_path / "a" / "b.png", size=(64, 64))
    whole = (tmp_path / "a" / "b.png").read_bytes()
    images = Folder().load("test", tmp_path)
    for broken in (b"", b"no image at all", whole[: len(whole) // 2]):
        (tmp_path / "a" / "b.png").write_bytes(broken)
        with pytest.raises(DataError, match=r"b\.png cannot be read as an image"):
            images.decode(1)


def test_an_image_of_another_size_is_named(tmp_path: Path) -> None:
    save(tmp_path / "a" / "a.png")
    save(tmp_path / "a" / "b.png", size=(3, 3))
    with pytest.raises(DataError, match=r"b\.png has 3x3 pixels, but a\.png has 6x4; give the data set a size"):
        Folder().load("test", tmp_path).arrays([0, 1])


def test_sixteen_bits_are_refused_instead_of_clipped(tmp_path: Path) -> None:
    save(tmp_path / "a" / "a.png", 60000, mode="I;16")
    with pytest.raises(DataError, match=r"a\.png has more than 8 bits a channel"):
        Folder().load("test", tmp_path)


def test_folders_without_images_or_splits_are_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="use --data-dir"):
        Folder().load("test", None)
    with pytest.raises(DataError, match="is no folder"):
        Folder().load("test", tmp_path / "nowhere")
    with pytest.raises(DataError, match="There are no images below"):
        Folder().load("test", tmp_path)
    save(tmp_path / "train" / "ant" / "a.png")
    save(tmp_path / "val" / "ant" / "a.png")
    with pytest.raises(DataError, match="has no test/ folder; found are: train, val"):
        Folder().load("test", tmp_path)


@pytest.mark.parametrize(("values", "sentence"), [({"size": 0}, "size must be"), ({"channels": 2}, "channels must be")])
def test_settings_that_make_no_sense_are_refused(values: dict[str, int], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        Folder(**values)
