"""How many rows go through a network at once: the user's, a habit, or what a device was measured to hold."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from bench import Network, UsageError
from bench.datasets.digits import TASK
from bench.domain.queries.watching import watched
from defenses.diffusion_classifier import DiffusionClassifier
from defenses.parts.diffusion import memory
from defenses.parts.diffusion.assembly import denoiser_for
from defenses.parts.diffusion.memory import chunks_for, noisy_rows
from defenses.parts.diffusion.noise_errors import Chunks
from tests.defenses.tiny import COLOURS, images, stable_diffusion, unstaged


def test_a_cpu_cuts_by_habit_unless_the_user_says_how(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = denoiser_for(DiffusionClassifier().path(TASK), DiffusionClassifier(), TASK, "cpu")
    latents = denoiser_for(stable_diffusion(tmp_path / "tiny"), DiffusionClassifier(), COLOURS, "cpu")
    found = chunks_for(pixels, TASK, "cpu", None)
    assert found == Chunks(1024, 512, 4096, found.held, side_by_side=True)
    assert 2**30 / 1e6 < found.held < 2**30 / 1e5  # a graph of some hundred thousand bytes a row
    assert chunks_for(pixels, TASK, "cpu", 7) == Chunks(7, 7, 4096)
    assert chunks_for(latents, COLOURS, "cpu", None) == Chunks(512, 64, 1)  # of 8 x 8 places
    latents.area = 64 * 64  # of Stable Diffusion at 512 pixels
    assert chunks_for(latents, COLOURS, "cpu", None) == Chunks(8, 1, 1)
    assert chunks_for(latents, COLOURS, "cpu", 7) == Chunks(7, 7, 1)
    base = Network(torch.nn.Flatten())
    assert noisy_rows(base, TASK, "cpu", None) == (128, 128)
    assert noisy_rows(base, TASK, "cpu", 5) == (5, 5)
    monkeypatch.setattr(memory, "GRAPH", 9 * 2**30 // found.held)  # as of a network of which 9 rows fit
    assert chunks_for(pixels, TASK, "cpu", None) == Chunks(16, 8, 4096, found.held, side_by_side=True)
    for rows in (0, -1):
        with pytest.raises(UsageError, match="rows must be at least 1"):
            noisy_rows(base, TASK, "cpu", rows)
        with pytest.raises(UsageError, match="rows must be at least 1"):
            chunks_for(pixels, TASK, "cpu", rows)


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["float32", "float16", "bfloat16"])
def test_a_device_is_measured_and_holds_what_was_measured(precision: Any, tmp_path: Path) -> None:
    settings = replace(unstaged(stable_diffusion(tmp_path / "tiny")), precision=precision)
    denoiser = denoiser_for(Path(settings.weights or ""), settings, COLOURS, "cuda:0")
    found = chunks_for(denoiser, COLOURS, "cuda:0", None)
    assert found == chunks_for(denoiser, COLOURS, "cuda:0", None)
    assert all(size & (size - 1) == 0 for size in (found.plain, found.graph, found.images))
    codes = denoiser.encode(images(1).to("cuda:0")).expand(found.graph, -1, -1, -1).clone().requires_grad_(True)
    steps = torch.zeros(found.graph, dtype=torch.long, device="cuda:0")
    errors = denoiser.errors(codes, torch.zeros_like(codes), steps, steps, "l1")
    (gradient,) = torch.autograd.grad(1e-12 * errors.sum(), codes)
    assert bool(gradient.flatten(1).abs().amax(1).gt(0).all())


@pytest.mark.gpu
def test_a_gradient_on_a_device_is_heard_although_autograd_has_threads_of_its_own(tmp_path: Path) -> None:
    notes: list[str] = []
    model = unstaged(stable_diffusion(tmp_path / "tiny"), rows=2).load(COLOURS, "cuda:0")
    leaf = images(1).to("cuda:0").requires_grad_(True)
    with watched(lambda done, total, note="": notes.append(note)):
        torch.autograd.grad(model(leaf, torch.Generator("cuda:0").manual_seed(1)).sum(), leaf)
    assert "2 of 16 denoised" in notes
    assert "2 of 16 differentiated" in notes
