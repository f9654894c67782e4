"""A training tried for some seconds: what it says of steps, images, memory and operations, and what it leaves."""

from __future__ import annotations

import time
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
import torch

from bench import EndTraining, ThreatModel, UsageError
from bench.training.crafting import Perturbing
from bench.training.training import TrainingRequest
from bench.training.trial import _Timing, attempt

PGD = Perturbing(ThreatModel("linf", Fraction("0.05")), "pgd-linf", "resnet")


def request(defense: str, folder: Path, **settings: object) -> TrainingRequest:
    """A training on digits."""
    return TrainingRequest(defense, PGD, folder, "bench train", settings)


def test_the_steps_of_a_long_training_are_timed_and_it_ends_with_weights(tmp_path: Path) -> None:
    started = time.perf_counter()
    found = attempt(request("pgd-at", tmp_path, epochs=1000), tmp_path, seconds=0.5)
    took = time.perf_counter() - started
    assert took < 20
    assert found.steps == 1000 * (657 // 64)  # of 773 images 0.15 are held out
    assert found.seconds > 10 * took
    assert found.flop > 1e12
    assert found.peak_memory > 1 << 20
    assert found.images == 0
    assert found.weights == tmp_path / "pgd-at.safetensors"
    assert found.weights.is_file()


def test_adversarial_images_are_counted_and_not_made(tmp_path: Path) -> None:
    found = attempt(request("tmdc", tmp_path, batch=4, share=0.1), tmp_path, seconds=0.2)
    assert found.images == 77
    assert not (tmp_path / "adversarial").exists()
    assert found.weights is not None


def test_a_training_that_ends_by_itself_took_what_it_took(tmp_path: Path) -> None:
    found = attempt(request("tmdc", tmp_path, steps=3, evaluated=1), tmp_path, seconds=60)
    assert found.steps == 3
    assert 0 < found.seconds < 60
    assert (tmp_path / "step-000001.safetensors").is_file()


def test_what_cannot_be_trained_is_said_as_by_training_itself(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be trained"):
        attempt(request("adp", tmp_path), tmp_path)
    with pytest.raises(UsageError, match="has no setting 'epoch'"):
        attempt(request("pgd-at", tmp_path, epoch=1), tmp_path)


def test_the_rate_is_that_of_the_last_stage_and_the_end_comes_once(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(1000))
    monkeypatch.setattr("bench.training.trial.time.perf_counter", lambda: float(next(clock)))
    timing = _Timing(3.0)
    timing(1, 10, "another stage")
    for step in (2, 4, 6, 8):
        timing(step, 200)
    with pytest.raises(EndTraining):
        timing(10, 200)
    timing(200, 200)
    found = timing.found()
    assert found.steps == 200
    assert found.seconds == pytest.approx(200 / 2, rel=0.5)  # the clock ticks with every look
    assert replace(found, flop=0.0).weights is None


def test_of_a_training_that_reports_once_the_operations_until_then_count() -> None:
    timing = _Timing(3.0)
    torch.ones(2, 3) @ torch.ones(3, 5)
    timing(1, 1)
    assert timing.found().flop == 2 * 2 * 3 * 5
    timing.close()
