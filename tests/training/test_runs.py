"""A training run: what it reads, what it attacks, and what is safe when its end fails."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from bench import ImageSet, PluginError, ThreatModel
from bench.training.crafting import CHUNK, Perturbing
from bench.training.reading import kept
from bench.training.training import TrainingReport, TrainingRequest, train
from tests.training import plugins

HERE = "tests.training.plugins"


@pytest.fixture(autouse=True)
def _forgotten() -> Iterator[None]:
    for written in (plugins.DECODED, plugins.ATTACKED, plugins.LOADED, plugins.ROOM):
        written.clear()
    yield
    plugins.ROOM.clear()


def silent(done: float, total: float, note: str = "") -> None:
    return None


def request(folder: Path, **settings: Any) -> TrainingRequest:
    how = Perturbing(ThreatModel("linf", Fraction("0.1")), f"{HERE}:Darken", f"{HERE}:Learner")
    return TrainingRequest(f"{HERE}:Learner", how, folder, "bench train", settings, dataset=f"{HERE}:WrittenDown")


def run(folder: Path, **settings: Any) -> TrainingReport:
    return train(request(folder, **settings), silent)


def card_of(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "learner.json").read_text())
    return found


def test_every_training_image_is_decoded_once(tmp_path: Path) -> None:
    run(tmp_path)
    assert sorted(plugins.DECODED) == list(range(plugins.SIZE))


def test_images_kept_in_memory_are_equal_to_the_bit_whether_bytes_hold_them_or_not() -> None:
    values = np.stack([np.full((1, 2, 2), number / np.float32(255), np.float32) for number in (0, 1, 77, 254, 255)])
    values = np.concatenate([values, np.random.RandomState(0).rand(3, 1, 2, 2).astype(np.float32)])
    data = ImageSet(plugins.TASK, np.zeros(8, dtype=np.int64), lambda index: values[index])
    for most in (1 << 20, 0):
        found = kept(data, most)
        for _ in range(2):
            assert np.array_equal(found.arrays(range(8))[0], values)
        assert found.fingerprint(range(8)) == data.fingerprint(range(8))


def test_only_the_images_that_a_recipe_asks_for_are_attacked_and_none_twice(tmp_path: Path) -> None:
    run(tmp_path, first=20, last=20 + CHUNK + 5)
    asked = tuple(range(20, 25 + CHUNK))
    assert [asked[:CHUNK], asked[CHUNK:]] == plugins.ATTACKED
    assert len(plugins.LOADED) == 2  # once as the source, once to be measured
    first = load_file(tmp_path / "learner.safetensors")
    assert first["images"][:, 0, 0, 0].tolist() == pytest.approx([max(0, i % 256 / 255 - 0.1) for i in asked])
    run(tmp_path, first=20, last=20 + CHUNK + 5)
    assert len(plugins.ATTACKED) == 2
    assert torch.equal(load_file(tmp_path / "learner.safetensors")["images"], first["images"])
    run(tmp_path, first=20, last=20 + CHUNK + 6)
    assert plugins.ATTACKED[2:] == [(*asked[CHUNK:], 25 + CHUNK)]


def test_images_of_another_setting_of_the_attack_are_crafted_anew_and_the_card_says_which(tmp_path: Path) -> None:
    run(tmp_path)
    half = replace(request(tmp_path).adversarial, attack_settings={"share": "0.5"})
    train(replace(request(tmp_path), adversarial=half), silent)
    assert len(plugins.ATTACKED) == 2
    made = card_of(tmp_path)["adversarial"]
    assert (made["attack"], made["settings"], made["images"]) == (f"{HERE}:Darken", {"share": 0.5}, 10)
    assert (made["norm"], made["epsilon"]) == ("linf", "1/10")


def test_weights_and_card_are_safe_before_anything_is_measured(tmp_path: Path) -> None:
    with pytest.raises(PluginError, match=r"learner\.safetensors and their card are written.*nothing to divide by"):
        run(tmp_path, fails=True)
    card = card_of(tmp_path)
    assert card["accuracy"] is None
    assert card["metrics"] == {"steps": 100}
    assert (tmp_path / "learner.safetensors").is_file()
    report = run(tmp_path)
    assert report.metrics == {"steps": 100, "measured": 1}
    assert card_of(tmp_path)["metrics"] == report.metrics


@pytest.mark.parametrize(("evaluate", "images"), [(100, 100), (5000, plugins.SIZE), (0, 0)])
def test_the_last_evaluation_looks_at_no_more_images_than_it_may(tmp_path: Path, evaluate: int, images: int) -> None:
    report = train(replace(request(tmp_path), evaluate=evaluate), silent)
    assert report.evaluated == images
    assert report.accuracy == (1.0 if images else None)
    assert card_of(tmp_path)["accuracy"] == ({"clean": 1, "test_images": images} if images else None)


def test_what_does_not_fit_into_memory_is_done_in_smaller_chunks(tmp_path: Path) -> None:
    plugins.ROOM.append(50)
    report = run(tmp_path, last=CHUNK)
    assert report.accuracy == 1
    assert len({len(indices) for indices in plugins.ATTACKED}) == 1


def test_a_recipe_that_starts_from_weights_has_the_defaults_of_fine_tuning(tmp_path: Path) -> None:
    assert run(tmp_path, start="pretrained").metrics["steps"] == 7
    assert run(tmp_path, start="none").metrics["steps"] == 100
    assert run(tmp_path, start="a.pt", steps=3).metrics["steps"] == 3
