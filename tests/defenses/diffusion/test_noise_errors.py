"""The gradient of error tables: right, the same in any cut, and cheap in memory."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from defenses.diffusion_classifier import DiffusionClassifier
from tests.defenses.tiny import (
    COLOURS,
    GREYS,
    images,
    pixel_classifier,
    rng,
    stable_diffusion,
    unstaged,
)


@pytest.mark.parametrize(
    "search",
    [
        {"search": "staged", "timesteps": 4, "seen": (2, 4), "kept": (2, 1)},
        {"search": "race", "risk": 0.9, "timesteps": 24},
        {"search": "full", "timesteps": 4},
    ],
)
def test_the_gradient_equals_finite_differences_in_double_precision(search: dict[str, Any]) -> None:
    settings = DiffusionClassifier(**search, negligible=0, loss="l2", rows=5)
    model = pixel_classifier(settings, torch.float64)
    start = images(2, GREYS.shape).double()
    weighting = torch.randn(2, 3, generator=rng(9)).double()
    direction = torch.randn(start.shape, generator=rng(8)).double()

    def value(inputs: Tensor) -> Tensor:
        return (model(inputs, rng()) * weighting).sum()

    leaf = start.clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad(value(leaf), leaf)
    with torch.no_grad():
        slope = (value(start + 1e-6 * direction) - value(start - 1e-6 * direction)) / 2e-6
    assert float((gradient * direction).sum()) == pytest.approx(float(slope), rel=1e-5)


@pytest.mark.parametrize("rows", [1, 3, 16, 1000])
def test_any_cut_into_chunks_gives_the_same_logits_and_gradient(rows: int) -> None:
    settings = DiffusionClassifier(search="staged", timesteps=6, seen=(2, 6), kept=(2, 1), negligible=0)
    results = []
    for size in (7, rows):
        model = pixel_classifier(replace(settings, rows=size), torch.float64)
        leaf = images(3, GREYS.shape).double().requires_grad_(True)
        logits = model(leaf, rng())
        results.append((logits.detach(), torch.autograd.grad(logits.square().sum(), leaf)[0]))
    torch.testing.assert_close(results[0], results[1], rtol=1e-9, atol=1e-9)


def test_the_gradient_keeps_a_graph_for_one_chunk_only_however_many_timesteps_there_are() -> None:
    most_rows, kept_by_forward = set(), set()
    for timesteps in (4, 16, 64):
        model = pixel_classifier(DiffusionClassifier(search="full", timesteps=timesteps, negligible=0, rows=6))
        under_graph: list[int] = []
        kept: list[int] = []
        model.denoiser.network.register_forward_pre_hook(partial(_note_rows, under_graph))
        leaf = images(2, GREYS.shape).requires_grad_(True)
        with torch.autograd.graph.saved_tensors_hooks(partial(_note_size, kept), _as_it_is):
            logits = model(leaf, rng())
        assert under_graph == []
        torch.autograd.grad(logits.sum(), leaf)
        assert sum(under_graph) == 2 * 3 * timesteps
        most_rows.add(max(under_graph))
        kept_by_forward.add(sum(kept) - timesteps)  # their weights in the mean
    assert most_rows == {6}
    assert len(kept_by_forward) == 1


def test_images_are_encoded_one_part_at_a_time_and_again_for_the_gradient(tmp_path: Path) -> None:
    model = unstaged(stable_diffusion(tmp_path / "tiny")).load(COLOURS, "cpu")
    encoded: list[int] = []
    model.denoiser._autoencoder.encoder.register_forward_pre_hook(partial(_note_images, encoded))  # type: ignore[attr-defined]
    leaf = images(3).requires_grad_(True)
    torch.autograd.grad(model(leaf, rng()).sum(), leaf)
    assert encoded == [1] * 6


def test_a_half_precision_network_keeps_a_small_gradient(tmp_path: Path) -> None:
    folder = stable_diffusion(tmp_path / "tiny")
    gradients = []
    for precision in ("float32", "bfloat16"):
        model = replace(unstaged(folder), precision=precision).load(COLOURS, "cpu")
        leaf = images(1).requires_grad_(True)
        (gradient,) = torch.autograd.grad(1e-20 * model(leaf, rng())[0, 1], leaf)
        gradients.append(gradient.flatten() * 1e20)
    assert float(torch.nn.functional.cosine_similarity(gradients[0], gradients[1], dim=0)) > 0.9


def test_the_gradient_recomputes_only_the_rows_that_matter() -> None:
    model = pixel_classifier(DiffusionClassifier(search="full", timesteps=4, rows=100))
    under_graph: list[int] = []
    model.denoiser.network.register_forward_pre_hook(partial(_note_rows, under_graph))
    leaf = images(5, GREYS.shape).requires_grad_(True)
    torch.autograd.grad(model(leaf, rng())[2, 1], leaf)
    assert under_graph == [4]


def _note_rows(seen: list[int], module: nn.Module, arguments: tuple[Tensor, ...]) -> None:
    if torch.is_grad_enabled() and arguments[0].requires_grad:
        seen.append(len(arguments[0]))


def _note_images(seen: list[int], module: nn.Module, arguments: tuple[Tensor, ...]) -> None:
    seen.append(len(arguments[0]))


def _note_size(seen: list[int], saved: Tensor) -> Tensor:
    seen.append(saved.numel())
    return saved


def _as_it_is(saved: Tensor) -> Tensor:
    return saved
