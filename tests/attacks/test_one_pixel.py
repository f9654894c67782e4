"""Differential evolution of pixels against exhaustive search, torchattacks, and its own promises."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from attacks import one_pixel
from attacks.one_pixel import OnePixel
from bench import Batch, Network, UsageError
from tests import needs
from tests.attacks.victims import batch_for, generator, linear, network, right, threat, victim, watched

BRIEF = OnePixel(population=12, generations=4)


@pytest.mark.parametrize(("classes", "channels", "side"), [(2, 1, 6), (4, 3, 14)])
def test_on_a_linear_classifier_one_pixel_breaks_what_exhaustive_search_breaks(
    classes: int, channels: int, side: int
) -> None:
    weight = torch.randn(classes, channels * side**2, generator=generator(1))
    module = linear(weight)
    batch = batch_for(module, 60, channels, size=(side, side))
    weight = weight.view(classes, channels, side**2)
    logits = module(batch.images)
    leads = logits.gather(1, batch.labels[:, None]) - logits
    slopes = weight[batch.labels][:, None] - weight[None]
    clean = batch.images.flatten(2)[:, None]
    # a lead is linear in every value, so its minimum over a pixel lies at black or white in each channel
    fall = torch.maximum(slopes * clean, slopes * (clean - 1)).sum(2).amax(2)
    own = nn.functional.one_hot(batch.labels, classes).bool()
    least = (leads - fall).masked_fill(own, torch.inf).amin(1)
    assert 10 < int((least > 0).sum()) < 50

    attack = OnePixel(generations=30)
    proposal = attack.perturb(victim(module), batch, threat("l0", "1"), generator())
    survives = right(module, proposal.images, batch.labels)
    assert survives[least > 1e-5].all()
    assert survives[least < 0].float().mean() < 0.05, "a heuristic may miss the last one or two"
    assert torch.equal(proposal.broken_at < 0, survives)


def test_robust_accuracy_is_that_of_torchattacks() -> None:
    torchattacks = pytest.importorskip("torchattacks", reason=needs.reason("torchattacks"))
    module = network()
    batch = batch_for(module, 40)
    with torch.random.fork_rng(devices=[]):
        state = np.random.get_state()  # the library draws from the global generator
        np.random.seed(0)
        theirs = torchattacks.OnePixel(module, pixels=1, steps=5, popsize=24)(batch.images, batch.labels)
        np.random.set_state(state)
    attack = OnePixel(population=24, generations=5)
    ours = attack.perturb(victim(module), batch, threat("l0", "1"), generator()).images
    counts = [int(right(module, images, batch.labels).sum()) for images in (ours, theirs)]
    share = sum(counts) / 80
    assert abs(counts[0] - counts[1]) <= 1.96 * (2 * 40 * share * (1 - share)) ** 0.5
    assert 0 < share < 1


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 40), st.integers(2, 6), st.sampled_from([1, 3]), st.integers(1, 7), st.integers(0, 2**32))
def test_no_more_pixels_change_than_epsilon_says(
    pixels: int, classes: int, channels: int, width: int, seed: int
) -> None:
    module = network(classes, channels)
    batch = batch_for(module, 5, channels, size=(5, width), wrong=1)
    budget = threat("l0", str(pixels))
    proposal = BRIEF.perturb(victim(module), batch, budget, generator(seed))
    assert budget.admits(batch.images, proposal.images).all()
    assert proposal.broken_at is not None
    assert torch.equal(proposal.broken_at < 0, right(module, proposal.images, batch.labels))
    assert torch.equal(proposal.images[0], batch.images[0])
    assert proposal.broken_at[0] == 0


def test_a_challenger_is_made_of_three_other_candidates() -> None:
    count = 6
    marked = torch.cat([torch.full((count, 1, 2), 0.5), torch.eye(count)[:, None] / 2], -1)
    attack = OnePixel(population=count, scale=0.5)
    challengers = attack._challengers(marked.expand(50, -1, -1, -1), torch.arange(50), 50, generator())
    values = challengers[:, :, 0, 2:]
    first, second = values == 0.5, values == 0.25
    assert (first.sum(2) == 1).all()
    assert (second.sum(2) == 1).all(), "the third candidate's mark is below 0 and cut off"
    assert not (first | second)[:, torch.arange(count), torch.arange(count)].any()
    chosen = first.float().mean(0)[~torch.eye(count).bool()]
    assert (chosen - 1 / (count - 1)).abs().max() < 0.25


def test_misled_samples_leave_and_only_the_others_are_asked_about() -> None:
    module = network()
    batch = batch_for(module, 16, wrong=6)
    attacked = victim(module)
    attack = OnePixel(population=20, generations=10)
    broken_at = attack.perturb(attacked, batch, threat("l0", "2"), generator()).broken_at
    populations = torch.where(broken_at < 0, 11, broken_at)
    assert int((broken_at > 0).sum()) > 0
    assert attacked.forwards == 16 + 20 * int(populations.sum())
    assert attacked.backwards == 0


def test_a_population_cut_into_parts_gives_the_same_images(monkeypatch: pytest.MonkeyPatch) -> None:
    module = network()
    batch = batch_for(module, 8)
    whole = BRIEF.perturb(victim(module), batch, threat("l0", "1"), generator()).images
    monkeypatch.setattr(one_pixel, "VALUES", 64 * 5)
    assert torch.equal(BRIEF.perturb(victim(module), batch, threat("l0", "1"), generator()).images, whole)


def test_confident_classifiers_are_searched_beyond_the_rounding_of_probabilities() -> None:
    weight = torch.zeros(2, 64)
    weight[0, 9] = 400.0
    module = linear(weight, torch.tensor([-20.0, 0.0]))
    images = torch.full((4, 1, 8, 8), 0.9)
    batch = Batch((0, 1, 2, 3), images, torch.zeros(4, dtype=torch.int64))
    attack = OnePixel(population=50, generations=30)
    assert not right(
        module, attack.perturb(victim(module), batch, threat("l0", "1"), generator()).images, batch.labels
    ).any()


def test_progress_counts_generations_and_names_the_robust_samples() -> None:
    module = linear(torch.zeros(3, 64), torch.tensor([1.0, 0.0, 0.0]))
    attacked, seen = watched(Network(module))
    BRIEF.perturb(attacked, batch_for(module, 2), threat("l0", "1"), generator())
    assert seen == [(generation, 5, "generations, 2 still robust") for generation in range(1, 6)]


def test_less_than_a_pixel_is_refused() -> None:
    module = network()
    with pytest.raises(UsageError, match=r"number of pixels, at least 1; got 1/2"):
        BRIEF.perturb(victim(module), batch_for(module, 2), threat("l0", "1/2"), generator())
