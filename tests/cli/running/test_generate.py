from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from bench import Task
from bench.training.generation import frechet
from defenses.diffusion_classifier import DiffusionClassifier
from tests.cli.command import bench


def test_generating_writes_images_a_picture_and_a_card_and_again_the_same() -> None:
    words = ["generate", "diffusion-classifier", "--images", "25", "--steps", "6", "--seed", "3", "--json"]
    code, out, err = bench(*words, "-o", "one")
    assert code == 0, err
    report = json.loads(out)
    tensors = load_file(report["images"])
    card = json.loads(Path(report["card"]).read_text())
    assert tensors["images"].shape == (25, 1, 8, 8)
    assert float(tensors["images"].min()) >= 0
    assert float(tensors["images"].max()) <= 1
    assert tensors["labels"].tolist() == [number % 10 for number in range(25)]
    assert card["sha256"] == hashlib.sha256(Path(report["images"]).read_bytes()).hexdigest()
    assert (card["steps"], card["seed"], card["images"]) == (6, 3, 25)
    assert report["accuracy_of_resnet"] == card["figures"]["accuracy_of_resnet"] >= 0.7
    assert report["same_distance_of_the_test_images"] > 0
    with Image.open(report["picture"]) as picture:
        assert picture.size == (3 * 49 - 1, 10 * 49 - 1)
    bench(*words, "-o", "two")
    for name in ("images.safetensors", "samples.png"):
        assert Path("one", name).read_bytes() == Path("two", name).read_bytes()
    bench(*words[:6], "--seed", "4", "--judge", "none", "-o", "three")
    assert Path("one/images.safetensors").read_bytes() != Path("three/images.safetensors").read_bytes()
    assert json.loads(Path("three/card.json").read_text())["figures"] == {}


def test_images_are_drawn_a_piece_at_a_time_and_written_as_bytes_in_the_published_layout(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drawn: list[int] = []
    sample = DiffusionClassifier.sample

    def counted(
        defense: DiffusionClassifier, task: Task, device: str, labels: torch.Tensor, *rest: Any
    ) -> torch.Tensor:
        drawn.append(len(labels))
        return sample(defense, task, device, labels, *rest)

    monkeypatch.setattr(DiffusionClassifier, "sample", counted)
    words = ["generate", "diffusion-classifier", "--images", "25", "--steps", "2", "--json"]
    code, _, err = bench(*words, "-o", "whole")
    assert code == 0, err
    monkeypatch.setattr("bench.training.generation.PIECE", 10)
    code, out, err = bench(*words, "-o", "pieces")
    assert code == 0, err
    assert drawn == [25, 10, 10, 5]
    whole, pieces = (load_file(Path(name) / "images.safetensors") for name in ("whole", "pieces"))
    torch.testing.assert_close(whole["images"], pieces["images"], rtol=0, atol=0.02)  # a batch's shape changes bits
    assert torch.equal(whole["labels"], pieces["labels"])
    for name in ("one", "two"):
        code, out, err = bench(*words, "--pixels", "uint8", "-o", name)
        assert code == 0, err
    assert json.loads(out)["images"] == "two/images.npz"
    assert Path("one/images.npz").read_bytes() == Path("two/images.npz").read_bytes()
    with np.load("one/images.npz", allow_pickle=False) as archive:
        assert archive["image"].shape == (25, 8, 8, 1)
        assert archive["label"].tolist() == whole["labels"].tolist()
        written = torch.from_numpy(archive["image"]).permute(0, 3, 1, 2)
    assert float((written / 255 - whole["images"]).abs().max()) <= 0.5 / 255 + 1e-6
    assert sorted(path.name for path in Path("one").iterdir()) == ["card.json", "images.npz", "samples.png"]


def test_the_frechet_distance_of_two_gaussians_is_the_closed_form() -> None:
    rng = torch.Generator().manual_seed(0)
    first = torch.randn(50_000, 3, generator=rng).double()
    second = torch.randn(50_000, 3, generator=rng).double() * torch.tensor([1.0, 2.0, 3.0]) + torch.tensor([1.0, 0, 0])
    assert frechet(first, first) == pytest.approx(0, abs=1e-6)
    assert frechet(first, second) == pytest.approx(1 + 0 + 1 + 4, abs=0.1)


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["resnet"], "cannot draw images: it is not a bench.Generative"),
        (["diffusion-classifierr"], "Did you mean 'diffusion-classifier'"),
        (["diffusion-classifier", "--images", "0"], "At least one image"),
        (["diffusion-classifier", "--pixels", "int8"], "float32 or uint8; got 'int8'"),
        (["diffusion-classifier", "--steps", "0"], "at least one step; got 0"),
        (["diffusion-classifier", "--images", "10", "--steps", "1", "--judge", "resnett"], "Did you mean 'resnet'"),
    ],
)
def test_a_drawing_that_cannot_be_says_why(words: list[str], hint: str) -> None:
    code, _, err = bench("generate", *words)
    assert code == 2
    assert hint in err
