"""Trainings in a process of their own: what they do to it stays there, and what goes wrong is said as in this one."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

import bench.evaluation.shard.verdict
from bench import PluginError, ThreatModel, UsageError
from bench.training.apart import attempt_apart, train_apart
from bench.training.crafting import Perturbing
from bench.training.training import TrainingRequest

PGD = Perturbing(ThreatModel("linf", Fraction("0.05")), "pgd-linf", "resnet")
PLUGIN = """
from dataclasses import dataclass
import os
import bench.evaluation.shard.verdict
from bench import Trainable, Trained, UsageError


@dataclass(frozen=True)
class Recipe:
    how: str = "well"


@dataclass(frozen=True)
class Learner(Trainable):
    weights: str | None = None

    def files(self, task):
        return {}

    def load(self, task, device):
        raise UsageError("It is never loaded.")

    def recipe(self, task):
        return Recipe()

    def train(self, run, recipe):
        bench.evaluation.shard.verdict.decide = None
        run.watch(1, 2, "half of it")
        if recipe.how == "dead":
            os._exit(3)
        path = (run.folder.parent if recipe.how == "elsewhere" else run.folder) / "learner.safetensors"
        path.write_bytes(b"weights")
        return Trained(path, {"loss": 1.0})
"""


def request(folder: Path, **settings: object) -> TrainingRequest:
    """A training of the plugin in this folder."""
    (folder / "learner.py").write_text(PLUGIN)
    defense = f"{folder / 'learner.py'}:Learner"
    return TrainingRequest(defense, PGD, folder / "run", "bench train", settings, evaluate=0)


def test_what_a_training_does_to_its_process_stays_there(tmp_path: Path) -> None:
    before, told = bench.evaluation.shard.verdict.decide, []
    found = train_apart(request(tmp_path), lambda done, total, note="": told.append((done, total, note)))
    assert found.weights == tmp_path / "run" / "learner.safetensors"
    assert found.card.is_file()
    assert found.metrics == {"loss": 1.0}
    assert bench.evaluation.shard.verdict.decide is before
    assert (0.0, 1.0, "reading the training images") in told


def test_what_goes_wrong_is_said(tmp_path: Path) -> None:
    def watch(done: float, total: float, note: str = "") -> None:
        """Look away."""

    with pytest.raises(UsageError, match="has no setting 'hwo'"):
        train_apart(request(tmp_path, hwo="well"), watch)
    with pytest.raises(PluginError, match="ended without a word"):
        train_apart(request(tmp_path, how="dead"), watch)
    with pytest.raises(PluginError, match="its weights do not lie in"):
        train_apart(request(tmp_path, how="elsewhere"), watch)
    with pytest.raises(UsageError, match="has no setting 'hwo'"):
        attempt_apart(request(tmp_path, hwo="well"), tmp_path)
