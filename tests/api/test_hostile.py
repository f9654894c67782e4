"""What people hand over by mistake: one sentence that says what to do, before anything is computed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import bench
from bench.domain.errors import BenchError, StoreError, UsageError, WeightsError

NET = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
IMAGES, LABELS = torch.full((8, 1, 8, 8), 0.5), torch.arange(8)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty folder, in which nothing is to be left."""
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        ({"defense": 5}, UsageError, "A defense is a name, a torch module"),
        ({"defense": nn.Linear}, UsageError, "got a type"),
        ({"attack": None}, UsageError, "An attack is a name or a bench.Attack"),
        ({"attack": abs}, UsageError, "An attack is a name or a bench.Attack"),
        ({"dataset": "nope"}, UsageError, "No data set is called 'nope'"),
        ({"dataset": (IMAGES * 255, LABELS)}, UsageError, r"Pixels lie in \[0, 1\]"),
        ({"dataset": (IMAGES * float("nan"), LABELS)}, UsageError, r"Pixels lie in \[0, 1\]"),
        ({"dataset": (IMAGES, LABELS[:3])}, UsageError, r"Images are \(N, C, H, W\) and labels \(N,\)"),
        ({"dataset": (IMAGES, LABELS / 3)}, UsageError, "Labels are whole numbers"),
        ({"dataset": (IMAGES, LABELS)}, WeightsError, r"judged defense itself \(source self\)"),
        ({"samples": "4"}, UsageError, "samples must be a whole number; got '4'"),
        ({"samples": 4.5}, UsageError, "samples must be a whole number; got 4.5"),
        ({"samples": True}, UsageError, "samples must be a whole number; got True"),
        ({"seed": 1.5}, UsageError, "seed must be a whole number; got 1.5"),
        ({"seed": -1}, UsageError, "The seed must lie in"),
        ({"draws": 10**9}, UsageError, "A sample is judged at most 10,000 times"),
        ({"passes": [1]}, UsageError, r"passes must be a whole number; got \[1\]"),
        ({"shard_size": "all"}, UsageError, "shard_size must be a whole number"),
        ({"fixed_noise": "yes"}, UsageError, "fixed_noise must be true or false; got 'yes'"),
        ({"sampling": "odd"}, UsageError, "sampling must be 'random' or 'first'; got 'odd'"),
        ({"epsilon": -1}, UsageError, "Epsilon must be above 0"),
        ({"epsilon": float("nan")}, UsageError, "is not a number"),
        ({"epsilon": [0.1]}, UsageError, "is not a number"),
        ({"workers": 0}, UsageError, "workers must be at least 1; got 0"),
        ({"workers": "two"}, UsageError, "workers must be a whole number"),
        ({"replay": -1}, UsageError, "replay must be at least 0"),
        ({"device": 7}, UsageError, "device must be str; got 7"),
        ({"executor": None, "tags": 5}, UsageError, "tags must be a list of words; got 5"),
        ({"note": 3}, UsageError, "note must be str; got 3"),
        ({"note": "x" * 10_000}, UsageError, "A note is at most 2000 characters"),
        ({"protocol": "nope"}, UsageError, "No protocol is called 'nope'"),
        ({"db": "/"}, StoreError, "/ is a folder"),
    ],
    ids=lambda given: ascii(given)[:60],
)
def test_what_cannot_be_is_one_sentence(given: dict[str, Any], error: type[BenchError], said: str) -> None:
    words = {"defense": NET, "attack": "pgd-linf", "samples": 4, "quiet": True, **given}
    with pytest.raises(error, match=said) as raised:
        bench.evaluate(**words)
    assert "\n" not in str(raised.value)
    assert not list(Path().glob("*.db"))


def test_numpy_s_numbers_are_numbers() -> None:
    found = bench.evaluate(NET, "noise-linf", source="self", samples=LABELS.numpy()[4], quiet=True)
    assert found.plan.samples == 4


def test_what_is_compared_is_a_result_or_a_name() -> None:
    found = bench.evaluate(NET, "noise-linf", source="self", samples=4, quiet=True)
    with pytest.raises(UsageError, match="What is compared must be Result or str; got 3"):
        bench.compare(found, 3)  # type: ignore[arg-type]  # the fault
