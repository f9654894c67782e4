"""Rewritten networks: proposals within the budget, how far margins move, and what must be asked about again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import rewrites
from bench import Batch
from contests.table import rewritten_cells

RADIUS = 0.1


def case() -> rewrites.Case:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten())
    network = nn.Sequential(network, nn.Linear(512, 10)).eval().requires_grad_(False)
    images, labels = torch.rand(16, 1, 8, 8), torch.arange(16) % 10

    def ask(asked: nn.Module, shown: Tensor) -> Tensor:
        logits: Tensor = asked(shown.to(next(asked.parameters()).dtype))
        return logits.float()

    return rewrites.Case("small", network, ask, Batch(tuple(range(16)), images, labels), RADIUS)


def measured(monkeypatch: pytest.MonkeyPatch, rewriting: Callable[[nn.Module], nn.Module]) -> dict[str, Any]:
    monkeypatch.setitem(rewrites.REWRITINGS, "tried", rewriting)
    found = rewrites.measure(case(), "tried", 2)
    assert found is not None
    return found


def test_a_network_that_is_left_as_it_is_decides_as_before_and_is_never_asked_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = measured(monkeypatch, lambda network: network)
    assert (found["moved"], found["verdicts"], found["decisions"], found["again"]) == (0, 0, 0, 0)
    found |= {"plain": 0.004, "rewritten": 0.002}
    assert rewritten_cells(found)[3:6] == ("4.0 ms", "2.0 ms", "2.00")
    assert rewritten_cells(found | {"again": 0.5})[-2:] == ("50.0 %", "1.00")


def test_what_rounding_decides_otherwise_is_among_what_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    found = measured(monkeypatch, rewrites.REWRITINGS["bfloat16"])
    assert 0 < found["moved"] < 0.1
    assert 0 < found["decisions"] <= found["again"] < 1


def test_a_network_that_answers_at_random_changes_verdicts_and_decisions(monkeypatch: pytest.MonkeyPatch) -> None:
    def spoilt(network: nn.Module) -> nn.Module:
        for weights in network.parameters():
            weights.data.normal_()
        return network

    found = measured(monkeypatch, spoilt)
    assert found["verdicts"] > 4
    assert found["decisions"] > 0.2


def test_batch_norm_is_folded_where_there_is_any() -> None:
    found = rewrites.measure(case(), "batch norm folded", 1)
    assert found is not None
    assert found["moved"] < 1e-5
    plain = rewrites.Case("plain", nn.Conv2d(1, 1, 1), lambda *_: torch.zeros(1), case().batch, RADIUS)
    assert rewrites.measure(plain, "batch norm folded", 1) is None


def test_proposals_lie_within_the_budget_and_change_one_square_of_each_image() -> None:
    asked = case()
    base, proposed = rewrites.squares(asked)
    for images in (base, *proposed):
        assert float((images - asked.batch.images).abs().max()) <= RADIUS + 1e-6
        assert 0 <= float(images.min()) <= float(images.max()) <= 1
    changed = torch.stack(proposed) != base
    assert int(changed.flatten(2).sum(2).max()) == 1  # a side of 1 pixel on 8 x 8
    assert changed.any(2).any()
