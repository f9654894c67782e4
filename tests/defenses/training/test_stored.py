"""Generated images by the million: mapped, read row by row, in the layouts in which they are published and written."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from bench import DataError, Task
from bench.datasets.digits import TASK
from defenses.parts.training.stored import open_images
from defenses.trades import Trades
from tests.defenses.training.test_adversarial_training import trades, training

COLOURS = Task("colours", ("red", "green", "blue"), (3, 4, 5))
PIXELS = np.random.RandomState(0).randint(0, 256, (40, 4, 5, 3)).astype(np.uint8)
LABELS = np.arange(40) % 3


def written(folder: Path, kind: str) -> Path:
    """The same images in one of the layouts."""
    path = folder / ("images.safetensors" if "safetensors" in kind else "images.npz")
    first = np.ascontiguousarray(PIXELS.transpose(0, 3, 1, 2))
    if kind == "published":
        np.savez(path, image=PIXELS, label=LABELS)
    elif kind == "compressed":
        np.savez_compressed(path, image=PIXELS, label=LABELS.astype(np.int32))
    elif kind == "safetensors-bytes":
        save_file({"images": torch.from_numpy(first), "labels": torch.from_numpy(LABELS)}, path)
    else:
        images = torch.from_numpy(first.astype(np.float32) / np.float32(255))
        save_file({"images": images, "labels": torch.from_numpy(LABELS)}, path, {"format": "pt"})
    return path


@pytest.mark.parametrize("kind", ["published", "compressed", "safetensors-bytes", "safetensors-floats"])
def test_images_of_every_layout_are_the_same(kind: str, tmp_path: Path) -> None:
    found = open_images(written(tmp_path, kind), COLOURS, tmp_path)
    assert isinstance(found.rows, np.memmap)
    places = torch.tensor([39, 0, 7, 7])
    expected = PIXELS[places.numpy()].transpose(0, 3, 1, 2).astype(np.float32) / np.float32(255)
    assert np.array_equal(found.take(places).numpy(), expected)
    assert found.labels.tolist() == LABELS.tolist()
    assert len(list(tmp_path.iterdir())) == 1


def test_of_many_images_only_those_that_are_taken_are_read(tmp_path: Path) -> None:
    count = 200_000
    path = tmp_path / "1m.npz"
    np.savez(path, image=np.zeros((count, 8, 8, 1), dtype=np.uint8), label=np.zeros(count, dtype=np.uint8))
    tracemalloc.start()
    try:
        found = open_images(path, TASK, tmp_path)
        assert found.take(torch.tensor([count - 1, 5])).shape == (2, 1, 8, 8)
        assert tracemalloc.get_traced_memory()[1] < path.stat().st_size / 3
    finally:
        tracemalloc.stop()


def test_an_array_of_python_objects_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "images.npz"
    np.savez(path, image=np.array([Path], dtype=object), label=np.zeros(1, dtype=np.int64))
    with pytest.raises(DataError, match="cannot be read: its array is of object"):
        open_images(path, TASK, tmp_path)
    path.write_bytes(b"no archive")
    with pytest.raises(DataError, match="cannot be read"):
        open_images(path, TASK, tmp_path)
    (tmp_path / "images.safetensors").write_bytes(b"no header at all")
    with pytest.raises(DataError, match="cannot be read"):
        open_images(tmp_path / "images.safetensors", TASK, tmp_path)


@pytest.mark.parametrize("compressed", [False, True])
def test_trades_learns_from_a_published_file_as_from_the_same_images_in_another_layout(
    compressed: bool, tmp_path: Path
) -> None:
    pixels = np.random.RandomState(1).randint(0, 256, (30, 8, 8, 1)).astype(np.uint8)
    labels = np.arange(30) % 10
    (np.savez_compressed if compressed else np.savez)(tmp_path / "1m.npz", image=pixels, label=labels)
    (tmp_path / "drawn").mkdir()
    images = torch.from_numpy(pixels.transpose(0, 3, 1, 2).astype(np.float32) / np.float32(255))
    save_file(
        {"images": images.contiguous(), "labels": torch.from_numpy(labels)}, tmp_path / "drawn/images.safetensors"
    )
    results = []
    for name, place in (("file", "1m.npz"), ("folder", "drawn")):
        recipe = replace(trades(share=0.5, generated=str(tmp_path / place)), epochs=1)
        results.append(Trades().train(training(tmp_path / name), recipe))
    assert results[0].weights.read_bytes() == results[1].weights.read_bytes()
    assert results[0].sources["generated"] != results[1].sources["generated"]
    assert [path.name for path in (tmp_path / "file").iterdir()] == ["trades.safetensors"]
