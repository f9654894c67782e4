"""The race among classes: its rule against the formula, its risk against simulation, its verdicts against the grid."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor, nn

from bench.datasets.digits import TASK, Digits
from defenses.diffusion_classifier import DiffusionClassifier
from defenses.parts.diffusion.diffusion_classification import DiffusionClassification
from defenses.parts.diffusion.race import Race
from defenses.rdc import RDC
from defenses.tmdc import TMDC
from tests.defenses.tiny import GREYS, images, pixel_classifier, rng


@pytest.mark.parametrize("grid", [1, 2, 4, 5, 30, 500])
def test_looks_see_every_timestep_once_in_the_order_given(grid: int) -> None:
    order = torch.randperm(grid, generator=rng()).tolist()
    looks = Race(1e-3).looks(order)
    assert [place for look in looks for place in look] == order
    assert len(looks[0]) == min(4, grid)


def test_a_class_leaves_where_the_formula_says() -> None:
    errors = torch.rand(40, 5, 9, generator=rng()) + 0.1 * torch.arange(5)[:, None]
    alive = torch.rand(40, 5, generator=rng(2)) < 0.7
    alive[:, 0] = True
    errors = errors * alive[:, :, None]
    found = Race(0.2).survivors(3, errors, alive, 30)
    looks = 7  # that have seen 4, 6, 8, 11, 15, 20 and 26 of 30
    for image, kinds, stays in zip(errors.double().numpy(), alive.numpy(), found.numpy(), strict=True):
        left = np.flatnonzero(kinds)
        table = image[left]
        leader = table.mean(1).argmin()
        residual = table - table.mean(0) - table.mean(1, keepdims=True) + table.mean()
        free = 8 * (len(left) - 1)
        for number, kind in enumerate(left):
            differences = table[number] - table[leader]
            pooled = 2 * (residual**2).sum() / free if free else 0
            deviation = math.sqrt(max(differences.var(ddof=1), pooled))
            limit = stats.t.isf(0.2 / (looks * 4), free) if free else 0
            allowed = limit * deviation / math.sqrt(9) * math.sqrt(1 - 9 / 30)
            assert stays[kind] == (differences.mean() <= allowed + 1e-9)
        assert not stays[~kinds].any()
    assert 0 < int((alive & ~found).sum()) < int(alive.sum())


def test_the_leader_of_the_whole_grid_leaves_no_more_often_than_the_risk_says() -> None:
    classes, grid, images_ = 4, 30, 3000
    shared = torch.randn(images_, 1, grid, generator=rng())
    table = shared + torch.randn(images_, classes, grid, generator=rng(2))  # nobody is better than anybody
    best = table.mean(2).argmin(1)
    wrong = []
    for risk in (0.5, 0.1):
        race, alive, seen = Race(risk), torch.ones(images_, classes, dtype=torch.bool), 0
        for number, look in enumerate(race.looks(range(grid))):
            seen += len(look)
            alive = race.survivors(number, table[:, :, :seen] * alive[:, :, None], alive, grid)
        wrong.append(1 - float(alive[torch.arange(images_), best].double().mean()))
    assert wrong[0] <= 0.5
    assert wrong[1] <= 0.1
    assert wrong[0] > 0  # a race that never ends would prove nothing


@pytest.mark.parametrize(("defense", "share"), [(DiffusionClassifier(), 0.25), (TMDC(), 0.25), (RDC(), 0.9)])
def test_a_race_gives_the_whole_grids_verdicts_on_digits_at_a_share_of_its_cost(defense: Any, share: float) -> None:
    shown = Digits().load("test", None).read(range(48)).images
    verdicts, rows = [], []
    for search in ("race", "full"):
        model = replace(defense, search=search).load(TASK, "cpu")
        inner = model if isinstance(model, DiffusionClassification) else model.classifier
        counted: list[int] = []
        inner.denoiser.network.register_forward_pre_hook(partial(_note, counted))
        with torch.no_grad():
            verdicts.append(model(shown, rng()).argmax(1))
        rows.append(sum(counted))
    assert torch.equal(verdicts[0], verdicts[1])
    assert rows[0] <= share * rows[1]


def test_an_image_races_alike_alone_and_in_company() -> None:
    model = pixel_classifier(DiffusionClassifier(risk=0.9), torch.float64)
    batch = images(6, GREYS.shape).double()
    together = model(batch, rng())
    for number in range(6):
        torch.testing.assert_close(model(batch[number : number + 1], rng()), together[number : number + 1])


def test_a_gradient_leaves_out_the_classes_that_weigh_least_and_only_those() -> None:
    exact, spared = (
        pixel_classifier(DiffusionClassifier(search="full", timesteps=4, negligible=share, rows=64), torch.float64)
        for share in (0.0, 0.3)
    )
    weights = torch.tensor([[1.0, -0.75, 0.25], [0.5, 0.5, 0.5]]).double()
    gradients, rows = [], []
    for model in (exact, spared):
        counted: list[int] = []
        model.denoiser.network.register_forward_pre_hook(partial(_note_graph, counted))
        leaf = images(2, GREYS.shape).double().requires_grad_(True)
        gradients.append(torch.autograd.grad((model(leaf, rng()) * weights).sum(), leaf)[0])
        rows.append(sum(counted))
    assert rows == [2 * 3 * 4, (2 + 3) * 4]
    torch.testing.assert_close(gradients[0][1], gradients[1][1])
    leaf = images(2, GREYS.shape).double().requires_grad_(True)
    (two,) = torch.autograd.grad((exact(leaf, rng())[0] * weights[0] * torch.tensor([1, 1, 0])).sum(), leaf)
    torch.testing.assert_close(gradients[1][0], two[0])


def test_the_graphs_of_later_looks_are_kept_where_they_fit_and_spare_passes() -> None:
    settings = DiffusionClassifier(search="race", risk=0.9, timesteps=24, negligible=0, rows=5)
    found, passes = [], []
    for held in (0, 30, 1000):
        model = pixel_classifier(settings, torch.float64)
        model.chunks.held, model.chunks.side_by_side = held, True
        rows: list[int] = []
        model.denoiser.network.register_forward_pre_hook(partial(_note, rows))
        leaf = images(4, GREYS.shape).double().requires_grad_(True)
        logits = model(leaf, rng())
        asked = sum(rows)
        gradients = [torch.autograd.grad(logits.square().sum(), leaf, retain_graph=True)[0] for _ in range(2)]
        torch.testing.assert_close(*gradients, rtol=1e-12, atol=0)  # the second time without the graphs
        found.append((logits.detach(), gradients[0]))
        passes.append((asked, sum(rows)))
    for each in found[1:]:
        assert torch.equal(each[0], found[0][0])
        torch.testing.assert_close(each[1], found[0][1], rtol=1e-12, atol=0)
    asked, all_of_them = passes[0]
    first = 4 * 3 * 4  # images, classes, timesteps of the first look
    assert all_of_them == 3 * asked
    assert passes[2] == (asked, 3 * asked - (asked - first))
    assert asked - first > 30
    assert passes[2][1] < passes[1][1] < all_of_them


def test_only_a_search_with_shortcuts_has_an_exhaustive_one() -> None:
    for search, has in (("race", True), ("staged", True), ("full", False)):
        model = DiffusionClassifier(search=search).load(TASK, "cpu")  # type: ignore[arg-type]
        whole = model.exhaustive()
        assert (whole is not None) is has
        if whole is not None:
            assert whole.exhaustive() is None
    assert RDC().load(TASK, "cpu").exhaustive() is None
    model = RDC(search="race").load(TASK, "cpu").exhaustive()
    assert model is not None
    assert model.exhaustive() is None


def _note(seen: list[int], module: nn.Module, arguments: tuple[Tensor, ...]) -> None:
    seen.append(len(arguments[0]))


def _note_graph(seen: list[int], module: nn.Module, arguments: tuple[Tensor, ...]) -> None:
    if torch.is_grad_enabled() and arguments[0].requires_grad:
        seen.append(len(arguments[0]))
