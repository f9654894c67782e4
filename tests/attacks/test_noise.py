"""Noise fills its ball, misleads as often as geometry says, and asks no more than it must."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from attacks.gradient import FgsmLinf, PgdL2
from attacks.noise import Noise, NoiseL2, NoiseLinf
from bench import Batch, Network
from tests.attacks.promises import SHARDS, Shard, assert_kept
from tests.attacks.victims import batch_for, generator, linear, network, threat, victim, watched


def halves(pixels: int, lead: float) -> nn.Module:
    """Two classes that the mean pixel divides, so that grey images of class 0 are `lead` away from class 1 in linf."""
    weight = torch.stack([torch.zeros(pixels), torch.full((pixels,), 1 / pixels)])
    return linear(weight, torch.tensor([0.5 + lead, 0.0]))


def grey(count: int, pixels: int) -> Batch:
    """Equal images of class 0."""
    images = torch.full((count, 1, 1, pixels), 0.5)
    return Batch(tuple(range(count)), images, torch.zeros(count, dtype=torch.int64))


def right(module: nn.Module, images: Tensor) -> int:
    """How many of these images of class 0 are classified so."""
    return int((module(images).argmax(1) == 0).sum())


@pytest.mark.parametrize(("draws", "share"), [(1, 0.25), (3, 1 - 0.75**3)])
def test_on_one_pixel_noise_misleads_as_often_as_the_share_of_the_budget_that_does(draws: int, share: float) -> None:
    module, batch = halves(1, 0.1), grey(4000, 1)
    for attack in (NoiseLinf(draws), NoiseL2(draws)):
        perturbed = attack.perturb(victim(module), batch, threat(attack.norm, "0.2"), generator()).images
        assert 1 - right(module, perturbed) / 4000 == pytest.approx(share, abs=0.03)


def test_l2_noise_is_uniform_in_the_ball() -> None:
    images = torch.full((20000, 1, 1, 2), 0.5)
    noise = NoiseL2()._draw(images, 0.4, generator())
    lengths = noise.flatten(1).norm(dim=1)
    assert float(lengths.max()) <= 0.4 * (1 + 1e-6)
    assert float((lengths < 0.2).float().mean()) == pytest.approx(0.25, abs=0.02)  # a quarter of the disc's area
    assert noise.mean((0, 1, 2)).abs().max() < 0.01


def test_a_sample_keeps_the_first_draw_that_misleads_and_is_not_asked_about_again() -> None:
    module, batch, budget = halves(1, 0.1), grey(300, 1), threat("linf", "0.2")
    stream, expected, asked = generator(), batch.images.clone(), 0
    settled, broken_at = torch.zeros(300, dtype=torch.bool), torch.full((300,), -1)
    for draw in range(1, 5):
        drawn = (batch.images + NoiseLinf()._draw(batch.images, budget.radius, stream)).clamp(0, 1)
        asked += int((~settled).sum())
        expected[~settled] = drawn[~settled]
        broken_at[~settled & (module(drawn).argmax(1) != 0)] = draw
        settled = broken_at > 0
    attacked = victim(module)
    proposal = NoiseLinf(4).perturb(attacked, batch, budget, generator())
    torch.testing.assert_close(proposal.images, expected, rtol=0, atol=1e-6)
    assert torch.equal(proposal.broken_at, broken_at)
    assert attacked.forwards == asked
    assert attacked.backwards == 0


def test_it_ends_when_no_sample_is_right_and_tells_how_many_are() -> None:
    attacked, seen = watched(Network(halves(1, -0.3)))
    NoiseLinf(5).perturb(attacked, grey(8, 1), threat("linf", "0.2"), generator())
    assert seen == [(1, 5, "draws, 0 samples still right")]
    assert attacked.forwards == 8


def test_noise_misleads_less_often_than_one_step_along_the_gradient() -> None:
    module = network(channels=3)
    batch = batch_for(module, 64, channels=3)
    for noise, ascent, epsilon in (
        (NoiseLinf(), FgsmLinf(), "0.03"),
        (NoiseL2(), PgdL2(steps=1, random_start=False), "0.5"),
    ):
        budget = threat(noise.norm, epsilon)
        robust = [
            int((module(a.perturb(victim(module), batch, budget, generator()).images).argmax(1) == batch.labels).sum())
            for a in (noise, ascent)
        ]
        assert robust[0] > robust[1]


@settings(max_examples=25, deadline=None)
@given(attack=st.sampled_from([NoiseLinf(3), NoiseL2(3)]), shard=SHARDS)
def test_proposals_stay_in_the_budget_and_follow_from_the_seed(attack: Noise, shard: Shard) -> None:
    assert_kept(attack, shard, 0)
