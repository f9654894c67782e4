"""Training: equal seeds give equal weights, interrupted or not, and a step of it learns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from bench import Batch, Trainable, Training, UsageError, WeightsError
from bench.datasets.digits import Digits
from defenses.diffusion_classifier import DiffusionClassifier
from defenses.resnet import ResNet
from defenses.tmdc import TMDC
from defenses.vit import ViT
from tests.defenses.runs import InterruptionError, few_digits, run_of


def training(folder: Path, seed: int = 0, stop_after: float = float("inf")) -> Training:
    return run_of(few_digits(), folder, seed, stop_after)


def short(defense: Trainable) -> Any:
    recipe = defense.recipe(Digits().load("train", None).task)
    if isinstance(defense, DiffusionClassifier):
        return replace(recipe, steps=6, batch=8, warmup=2)
    if isinstance(defense, TMDC):
        return replace(recipe, steps=6, batch=8, warmup=2, evaluated=4, early_every=2)
    return replace(recipe, epochs=3, batch=32)


DEFENSES = [ResNet(), ViT(), DiffusionClassifier(), TMDC()]
NAMES = [type(defense).__name__ for defense in DEFENSES]


@pytest.mark.parametrize("defense", DEFENSES, ids=NAMES)
def test_a_resumed_run_gives_the_weights_of_an_uninterrupted_one(defense: Trainable, tmp_path: Path) -> None:
    recipe = short(defense)
    state = torch.random.get_rng_state()
    whole = defense.train(training(tmp_path / "whole"), recipe)
    with pytest.raises(InterruptionError):
        defense.train(training(tmp_path / "parts", stop_after=2), recipe)
    torch.rand(7)
    resumed = defense.train(training(tmp_path / "parts"), recipe)
    assert resumed.weights.read_bytes() == whole.weights.read_bytes()
    assert not list(tmp_path.glob("*/*checkpoint*"))
    torch.random.set_rng_state(state)
    other = defense.train(training(tmp_path / "other", seed=1), recipe)
    assert other.weights.read_bytes() != whole.weights.read_bytes()
    assert torch.equal(torch.random.get_rng_state(), state)


def test_a_checkpoint_of_another_recipe_or_a_damaged_one_is_refused(tmp_path: Path) -> None:
    defense = ResNet()
    recipe = short(defense)
    with pytest.raises(InterruptionError):
        defense.train(training(tmp_path, stop_after=2), recipe)
    with pytest.raises(UsageError, match="another run"):
        defense.train(training(tmp_path), replace(recipe, learning_rate=0.5))
    (tmp_path / "resnet.checkpoint.pt").write_bytes(b"damaged")
    with pytest.raises(WeightsError, match="delete it"):
        defense.train(training(tmp_path), recipe)


def test_a_recipe_without_steps_or_samples_is_refused() -> None:
    for defense, change in ((ResNet(), {"batch": 0}), (DiffusionClassifier(), {"steps": 0}), (TMDC(), {"rank": 0})):
        with pytest.raises(UsageError, match="must be at least 1; got 0"):
            replace(short(defense), **change)


@pytest.mark.parametrize("kind", ["affine", "crop-flip", "flip", "none"])
def test_augmented_images_stay_in_range_and_depend_on_the_stream_alone(kind: Any) -> None:
    from defenses.parts.randomness import stream
    from defenses.parts.training.augmentation import augment

    images = torch.rand(16, 3, 8, 8)
    first, again, other = (augment(images, kind, 1.0, stream(seed, "test")) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert torch.equal(first, other) == (kind == "none")
    assert first.shape == images.shape
    assert float(first.min()) >= 0
    assert float(first.max()) <= 1 + 1e-6


def test_truth_maximization_asks_for_the_images_that_its_steps_see_and_no_others(tmp_path: Path) -> None:
    from defenses.tmdc import PUBLISHED

    asked: list[list[int]] = []

    def adversarial(indices: Sequence[int]) -> Batch:
        asked.append(list(indices))
        return Digits().load("train", None).read(indices)

    for number, changes in enumerate(({"steps": 2}, {"steps": 40}, {"steps": 40, "share": 0.25})):
        run = replace(training(tmp_path / str(number)), adversarial=adversarial)
        TMDC().train(run, replace(short(TMDC()), evaluated=1, **changes))
    assert [len(indices) for indices in asked] == [16, 64, 16]
    assert all(indices == sorted(set(indices)) for indices in asked)
    assert asked[1] == list(range(64))
    assert (PUBLISHED.share, PUBLISHED.steps * PUBLISHED.batch) == (0.1, 12_000)


def test_every_sample_is_seen_once_an_epoch() -> None:
    from defenses.parts.training.loop import shuffled

    epoch = torch.cat([shuffled(12, 4, 0, step) for step in range(3)])
    assert sorted(epoch.tolist()) == list(range(12))
    following = torch.cat([shuffled(12, 4, 0, step) for step in range(3, 6)])
    assert sorted(following.tolist()) == list(range(12))
    assert not torch.equal(epoch, following)


def test_averaged_weights_are_finite_and_named_like_the_network(tmp_path: Path) -> None:
    defense = ResNet()
    trained = defense.train(training(tmp_path), short(defense))
    state = load_file(trained.weights)
    assert state.keys() == load_file(ResNet().files(Digits().load("train", None).task)["network"]).keys()
    assert all(bool(value.isfinite().all()) for value in state.values())
