"""StAdv against closed forms, a plain re-implementation of its reference, and its own promises."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from attacks.stadv import StAdv, unevenness
from bench import Batch, Network, ThreatModel, Victim, warp
from tests.attacks.victims import Noisy, batch_for, generator, linear, network, right, threat, victim, watched

BRIEF = StAdv(steps=10)


def reference(module: nn.Module, batch: Batch, radius: float, steps: int) -> Tensor:
    """Images by DiffPure's loop, rewritten plainly: torch's Adam for the batch, the best flow kept a step late."""
    count, height, width = len(batch), *batch.images.shape[2:]
    grid = torch.zeros(count, 2, height, width, requires_grad=True)
    optimizer = torch.optim.Adam([grid], lr=0.01)
    best, lowest = grid.detach().clone(), torch.full((count,), torch.inf)
    for _ in range(steps):
        confine(grid.data, radius)
        logits = module(warp(batch.images, grid))
        others = logits.clone()
        others[torch.arange(count), batch.labels] = -torch.inf
        losses = logits[torch.arange(count), batch.labels] - others.amax(1) + 0.0025 / radius * neighbours(grid)
        optimizer.zero_grad()
        losses.sum().backward()
        optimizer.step()
        better = losses.detach() < lowest
        best[better], lowest[better] = grid.detach()[better], losses.detach()[better]
    confine(best, radius)
    return warp(batch.images, best)


def confine(flow: Tensor, radius: float) -> None:
    """Cut places to the image and entries to the radius, in place."""
    height, width = flow.shape[2:]
    y, x = torch.meshgrid(centres(height), centres(width), indexing="ij")
    for axis, places in ((0, x), (1, y)):
        edge = float(places.max()) - 1e-6
        flow[:, axis] = ((flow[:, axis] + places).clamp(-edge, edge) - places).clamp(-radius, radius)


def centres(count: int) -> Tensor:
    """Where pixels' centres lie in an image from -1 to 1."""
    return torch.linspace(-1 + 1 / count, 1 - 1 / count, count)


def neighbours(flow: Tensor) -> Tensor:
    """The sum (N,) over every pixel and each of its up to four neighbours of the length of their flows' difference."""
    height, width = flow.shape[2:]
    total = torch.zeros(len(flow))
    for row in range(height):
        for column in range(width):
            for other in ((row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)):
                if 0 <= other[0] < height and 0 <= other[1] < width:
                    gap = flow[:, :, row, column] - flow[:, :, other[0], other[1]]
                    total = total + (gap.square().sum(1) + 1e-10).sqrt()
    return total


@pytest.mark.parametrize("channels", [1, 3])
def test_on_a_linear_classifier_and_slopes_every_sample_gets_the_analytic_verdict(channels: int) -> None:
    height, width, radius = 5, 7, 0.05
    y = centres(height).view(1, 1, height, 1).expand(1, 1, height, width)
    x = centres(width).view(1, 1, 1, width).expand(1, 1, height, width)
    weight = 1 + torch.randn(1, channels, height, width, generator=generator(2))
    along_x, along_y = 0.2 * torch.rand(2, 200, channels, 1, 1, generator=generator(1)) - 0.1
    slopes = along_x * x + along_y * y  # bilinear reading is exact between the pixels of a slope
    wanted = channels * (0.4 * torch.rand(200, generator=generator(3)) - 0.2)
    labels = (wanted < 0).long()
    images = slopes + 0.5 + ((wanted - (weight * slopes).flatten(1).sum(1)) / weight.sum()).view(-1, 1, 1, 1)
    module = linear(torch.stack([weight.flatten(), torch.zeros(weight.numel())]))

    fall = torch.zeros(200)
    for slope, place in ((along_x, x), (along_y, y)):
        pull = (weight * slope).sum(1) * wanted.sign().view(-1, 1, 1)  # what a pixel read further on adds to the lead
        backwards = pull.clamp_min(0) * (place[:, 0] > place.min())  # beyond the border there is only the border
        onwards = (-pull).clamp_min(0) * (place[:, 0] < place.max())
        fall += radius * (backwards + onwards).flatten(1).sum(1)
    least = wanted.abs() - fall
    sure = least.abs() > 1e-4  # on the edge float32 decides
    images, labels, wanted, least = images[sure], labels[sure], wanted[sure], least[sure]
    assert 20 < int((least > 0).sum()) < 180

    batch = Batch(tuple(range(len(images))), images, labels)
    proposal = StAdv(steps=15, smoothness=0.0).perturb(victim(module), batch, threat("flow", "0.05"), generator())
    assert threat("flow", "0.05").admits(images, proposal.images, proposal.witness).all()
    survives = right(module, proposal.images, labels)
    assert torch.equal(survives, least > 0)
    assert torch.equal(survives, proposal.broken_at < 0)
    left = (module(proposal.images)[:, 0] * wanted.sign())[survives]
    torch.testing.assert_close(left, least[survives], rtol=0, atol=1e-4)


def test_robust_accuracy_is_that_of_a_plain_loop() -> None:
    module = network()
    batch = batch_for(module, 80)
    budget = threat("flow", "0.01")
    ours = StAdv(steps=12).perturb(victim(module), batch, budget, generator()).images
    theirs = reference(module, batch, 0.01, 12)
    counts = [int(right(module, images, batch.labels).sum()) for images in (ours, theirs)]
    share = sum(counts) / 160
    assert abs(counts[0] - counts[1]) <= 1.96 * (2 * 80 * share * (1 - share)) ** 0.5
    assert 0.1 < share < 0.9


def test_unevenness_is_the_sum_over_neighbours() -> None:
    flow = torch.randn(3, 2, 4, 5, generator=generator())
    torch.testing.assert_close(unevenness(flow), neighbours(flow))
    assert (unevenness(torch.ones(2, 2, 4, 5)) < 1e-2).all()


def test_a_smoother_flow_costs_more_steps_or_samples() -> None:
    module = network()
    batch = batch_for(module, 40)
    budget = threat("flow", "0.1")
    uneven = [
        unevenness(StAdv(steps=20, smoothness=weight).perturb(victim(module), batch, budget, generator()).witness)
        for weight in (0.0, 0.01)
    ]
    assert uneven[1].sum() < uneven[0].sum()


@settings(max_examples=20, deadline=None)
@given(
    st.fractions(Fraction(1, 200), Fraction(1, 2)),
    st.integers(2, 6),
    st.sampled_from([1, 3]),
    st.integers(1, 9),
    st.integers(1, 9),
)
def test_images_are_bent_by_flows_within_the_budget(
    epsilon: Fraction, classes: int, channels: int, height: int, width: int
) -> None:
    module = network(classes, channels)
    batch = batch_for(module, 5, channels, size=(height, width), wrong=1)
    budget = ThreatModel("flow", epsilon)
    proposal = BRIEF.perturb(victim(module), batch, budget, generator())
    assert budget.admits(batch.images, proposal.images, proposal.witness).all()
    assert proposal.witness is not None
    assert proposal.broken_at is not None
    assert torch.equal(proposal.witness[0], torch.zeros(2, height, width))
    assert proposal.broken_at[0] == 0
    broken = proposal.broken_at >= 0
    assert torch.equal(broken[1:], ~right(module, proposal.images, batch.labels)[1:])


@settings(max_examples=20, deadline=None)
@given(st.floats(1.001, 10), st.integers(0, 2**32))
def test_the_judge_refuses_flows_beyond_the_budget_and_images_that_are_not_bent_by_their_flow(
    factor: float, seed: int
) -> None:
    clean = torch.rand(4, 3, 6, 7, generator=generator(seed))
    budget = threat("flow", "0.05")
    flow = 0.05 * (2 * torch.rand(4, 2, 6, 7, generator=generator(seed)) - 1)
    assert budget.admits(clean, warp(clean, flow), flow).all()
    assert not budget.admits(clean, warp(clean, flow), None).any()
    assert not budget.admits(clean, (warp(clean, flow) + 1e-3).clamp(0, 1), flow).any()
    assert not budget.admits(clean, warp(clean, -flow), flow).any()
    wide = flow.clone()
    wide[:, 1, 2, 3] = 0.05 * factor
    assert not budget.admits(clean, warp(clean, wide), wide).any()
    assert not budget.admits(clean, warp(clean, wide), flow).any()


def test_no_flow_is_no_change() -> None:
    images = torch.rand(3, 3, 5, 8, generator=generator())
    torch.testing.assert_close(warp(images, torch.zeros(3, 2, 5, 8)), images, rtol=0, atol=1e-6)


def test_settled_samples_leave_unless_the_defense_is_random() -> None:
    module = network()
    batch = batch_for(module, 20, wrong=8)
    attacked = victim(module)
    BRIEF.perturb(attacked, batch, threat("flow", "0.01"), generator())
    assert attacked.forwards == attacked.backwards + 20
    assert attacked.backwards <= 12 * 11
    noisy = Victim(Noisy(module, 0.1), generator(4))
    BRIEF.perturb(noisy, batch, threat("flow", "0.01"), generator())
    assert noisy.backwards == 20 * 11


def test_draws_average_over_fresh_noise() -> None:
    module = network()
    batch = batch_for(module, 20)
    budget = threat("flow", "0.1")
    noisy = Victim(Noisy(module, 1.0), generator(4))
    proposal = replace(BRIEF, draws=4).perturb(noisy, batch, budget, generator())
    assert noisy.forwards == 20 * (11 * 4 + 1)
    again = replace(BRIEF, draws=4).perturb(Victim(Noisy(module, 1.0), generator(4)), batch, budget, generator())
    assert torch.equal(proposal.images, again.images)
    one = BRIEF.perturb(Victim(Noisy(module, 1.0), generator(4)), batch, budget, generator())
    assert not torch.equal(proposal.images, one.images)


def test_progress_counts_steps_and_names_the_robust_samples() -> None:
    module = linear(torch.zeros(3, 64), torch.tensor([1.0, 0.0, 0.0]))
    attacked, seen = watched(Network(module))
    StAdv(steps=2).perturb(attacked, batch_for(module, 2), threat("flow", "0.05"), generator())
    assert seen == [(step, 2, "gradient steps, 2 still robust") for step in range(3)]
