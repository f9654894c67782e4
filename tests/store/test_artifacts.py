from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench import StoreError
from bench.store.artifacts import Artifacts

IMAGES = np.random.RandomState(0).rand(3, 1, 4, 4).astype(np.float32)


def test_images_are_named_by_their_content_and_come_back_bit_for_bit(tmp_path: Path) -> None:
    artifacts = Artifacts(tmp_path / "deep" / "artifacts")
    name = artifacts.write(IMAGES)
    assert artifacts.write(IMAGES.copy()) == name
    assert artifacts.write(IMAGES[:2]) != name
    assert (artifacts.read(name) == IMAGES).all()
    assert not list(tmp_path.rglob("*.partial"))


def test_damage_is_noticed_and_mended_by_writing_again(tmp_path: Path) -> None:
    artifacts = Artifacts(tmp_path)
    name = artifacts.write(IMAGES)
    content = bytearray(artifacts.path(name).read_bytes())
    content[-1] ^= 1
    artifacts.path(name).write_bytes(content)
    with pytest.raises(StoreError, match="damaged"):
        artifacts.read(name)
    assert artifacts.write(IMAGES) == name
    assert artifacts.holds(name)


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="could not be written"):
        Artifacts(tmp_path / "file").write(IMAGES)


def test_images_come_from_another_folder_unless_they_are_missing_or_damaged_there(tmp_path: Path) -> None:
    here, there = Artifacts(tmp_path / "here"), Artifacts(tmp_path / "there")
    name = there.write(IMAGES)
    assert here.adopt(name, there)
    assert (here.read(name) == IMAGES).all()
    damaged = there.write(IMAGES[:2])
    there.path(damaged).write_bytes(b"")
    assert not here.adopt(damaged, there)
    assert not here.adopt("../" * 8 + "etc/passwd", there)
    assert [path.name for path in here.folder.rglob("*.safetensors")] == [f"{name}.safetensors"]
