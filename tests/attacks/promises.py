"""What every attack within a budget promises of its proposals, for images of any size."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import torch
from hypothesis import strategies as st
from torch import nn

from bench import Attack, Batch, Network, Victim
from tests.attacks.victims import Noisy, batch_for, generator, network, threat


@dataclass(frozen=True)
class Shard:
    """A few random images, of which the first is misclassified, with a budget and the seed of their attack."""

    count: int
    channels: int
    height: int
    width: int
    epsilon: Fraction
    seed: int


EPSILONS, SEEDS = st.fractions("1/1000", 1, max_denominator=1000), st.integers(0, 2**31)
COLOURS, SIDES = st.sampled_from([1, 3]), st.integers(1, 9)
SHARDS = st.builds(Shard, st.integers(1, 4), COLOURS, SIDES, SIDES, EPSILONS, SEEDS)


def assert_kept(attack: Attack, shard: Shard, *scales: float) -> None:
    """The promises hold for this shard under a network's noise of each of these scales."""
    module = network(channels=shard.channels)
    batch = batch_for(module, shard.count, shard.channels, (shard.height, shard.width), wrong=1)
    assert_repeated(attack, module, batch, shard.epsilon, shard.seed, *scales)


def assert_repeated(
    attack: Attack, module: nn.Module, batch: Batch, epsilon: Fraction, seed: int, *scales: float
) -> None:
    """Under noise of each scale, none where it is 0, proposals stay in the budget and follow from the seed."""
    budget = threat(attack.norm, str(epsilon))
    for scale in scales:
        victims = (Victim(Noisy(module, scale) if scale else Network(module), generator(seed)) for _ in range(2))
        first, again = (attack.perturb(attacked, batch, budget, generator(seed)).images for attacked in victims)
        assert budget.admits(batch.images, first).all()
        assert torch.equal(first, again)
        assert not first.requires_grad
