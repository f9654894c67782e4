"""The attacks that look for the nearest image: closed forms, another library, and what they promise."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from attacks.libraries import adversarial_library
from attacks.minimum_norm import (
    DdnL2,
    FmnL0,
    FmnL1,
    FmnL2,
    FmnLinf,
    PdpgdL1,
    PdpgdL2,
    PdpgdLinf,
    SigmaZeroL0,
)
from attacks.minimum_norm.norms import lengths, shortened
from bench import Attack, Batch
from tests import needs
from tests.attacks.victims import batch_for, generator, linear, network, threat, victim

ALL: list[type[Any]] = [DdnL2, FmnLinf, FmnL2, FmnL1, FmnL0, PdpgdLinf, PdpgdL2, PdpgdL1, SigmaZeroL0]
BUDGETS = {"linf": "0.05", "l2": "0.5", "l1": "3", "l0": "6"}


def halved() -> tuple[nn.Module, Batch, Tensor]:
    """Two classes in 48 values, grey images that lie between them, and by what the classes' weights differ."""
    weight = torch.randn(2, 48, generator=generator(1))
    module = linear(weight)
    batch = batch_for(module, 40, channels=3, size=(4, 4))
    images = 0.3 + 0.4 * batch.images
    return module, Batch(batch.indices, images, module(images).argmax(1)), weight[0] - weight[1]


def closest(attack: Attack, module: nn.Module, batch: Batch) -> Tensor:
    found = attack.perturb(victim(module), batch, threat(attack.norm, BUDGETS[attack.norm]), generator()).closest
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("attack", "slack"),
    [
        *((FmnLinf(steps=200), 1.02), (FmnL2(steps=200), 1.02), (DdnL2(steps=300, gamma=0.02), 1.03)),
        *((PdpgdLinf(), 1.03), (PdpgdL2(), 1.03), (PdpgdL1(), 1.15)),
    ],
)
def test_on_a_linear_classifier_the_nearest_images_lie_at_the_analytic_distances(attack: Any, slack: float) -> None:
    module, batch, rival = halved()
    logits = module(batch.images)
    dual = {"linf": 1, "l2": 2, "l1": math.inf}[attack.norm]
    analytic = (logits[:, 0] - logits[:, 1]).abs() / rival.norm(p=dual)
    images = closest(attack, module, batch)
    found = lengths(images - batch.images, attack.norm)
    assert (module(images).argmax(1) != batch.labels).all()
    reachable = analytic < {"linf": 0.3, "l2": 0.8, "l1": 0.3}[attack.norm]
    assert reachable.sum() > 15
    assert (found >= 0.999 * analytic).all()
    assert found[reachable].median() < slack * analytic[reachable].median()


def test_the_sparsest_images_of_a_linear_classifier_change_the_positions_that_weigh_most() -> None:
    module, batch, rival = halved()
    sign = torch.where(batch.labels == 0, -1.0, 1.0)[:, None]
    pull = sign * rival
    gains = torch.where(pull > 0, pull * (1 - batch.images.flatten(1)), -pull * batch.images.flatten(1))
    per_position = gains.unflatten(1, (3, 16)).sum(1).sort(dim=1, descending=True).values.cumsum(1)
    lead = (module(batch.images)[:, 0] - module(batch.images)[:, 1]).abs()
    fewest = (per_position <= lead[:, None]).sum(1) + 1
    for attack in (FmnL0(steps=300), SigmaZeroL0(steps=300)):
        found = lengths(closest(attack, module, batch) - batch.images, "l0")
        assert (found >= fewest).all()
        assert found.float().mean() < fewest.float().mean() + 1


@pytest.mark.parametrize("attack", ALL)
def test_proposals_lie_within_the_budget_and_the_closest_are_misclassified(attack: type[Any]) -> None:
    module = network(channels=3)
    batch = batch_for(module, 12, channels=3, wrong=2)
    made = attack(steps=40)
    budget = threat(made.norm, BUDGETS[made.norm])
    found = made.perturb(victim(module), batch, budget, generator())
    assert budget.admits(batch.images, found.images).all()
    assert found.closest.min() >= 0
    assert found.closest.max() <= 1
    moved = (found.closest != batch.images).flatten(1).any(1)
    assert (module(found.closest).argmax(1) != batch.labels)[moved].all()
    assert torch.equal(found.broken_at == 0, torch.arange(12) < 2)
    near = budget.distance(batch.images, found.closest) <= budget.radius
    assert torch.equal(found.broken_at > 0, moved & near)


@needs.adv_lib
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("attack", "norm"),
    [(FmnLinf, math.inf), (FmnL2, 2), (FmnL1, 1), (DdnL2, None), (PdpgdL2, 2), (PdpgdL1, 1), (PdpgdLinf, math.inf)],
)
def test_distances_are_those_of_adversarial_library(attack: type[Any], norm: float | None) -> None:
    library = adversarial_library.library()
    module = network()
    batch = batch_for(module, 32)
    if norm is None:
        theirs = library.ddn(module, batch.images, batch.labels, steps=100, levels=None)
    elif attack.__name__.startswith("Fmn"):
        theirs = library.fmn(module, batch.images, batch.labels, norm, steps=100)
    else:
        theirs = library.pdpgd(module, batch.images, batch.labels, norm, num_steps=100)
    ours = closest(attack(steps=100), module, batch)
    mine, other = (
        torch.where(module(images).argmax(1) == batch.labels, torch.inf, lengths(images - batch.images, attack.norm))
        for images in (ours, theirs)
    )
    assert mine.isinf().sum() <= other.isinf().sum()
    assert mine.median() <= 1.02 * other.median()
    if attack.__name__.startswith("Pdpgd"):
        torch.testing.assert_close(mine, other, rtol=1e-3, atol=1e-5)


@settings(max_examples=30, deadline=None)
@given(norm=st.sampled_from(["linf", "l2", "l1"]), size=st.floats(1e-3, 3), seed=st.integers(0, 2**31))
def test_projections_are_the_nearest_points_of_balls(norm: str, size: float, seed: int) -> None:
    delta = torch.randn(3, 1, 2, 3, generator=generator(seed))
    sizes = torch.full((3,), size)
    found = shortened(delta, norm, sizes)
    assert (lengths(found, norm) <= size * (1 + 1e-5) + 1e-6).all()
    # no point on the way from the projection to another of the ball is nearer
    other = torch.randn(3, 1, 2, 3, generator=generator(seed + 1))
    other = other * (sizes / lengths(other, norm)).view(-1, 1, 1, 1)
    assert (((delta - found) * (other - found)).flatten(1).sum(1) <= 1e-4).all()
