"""The averaged gradient and the verdicts of linear classifiers under Gaussian noise, in closed form."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Generator, Tensor

from attacks.expectation import PgdEot, PgdEotL2, PgdEotLinf
from attacks.gradient import PgdLinf
from attacks.parts.ascent import ascend
from bench import Batch, Classifier, Victim
from tests.attacks.promises import SHARDS, Shard, assert_kept
from tests.attacks.victims import Noisy, batch_for, generator, grey, network, threat, victim

PIXELS, SIGMA = 24, 0.4


class NoisyLinear(Classifier):
    """W (x + sigma n) with fresh normal n; `restless` draws the noise of the weights instead."""

    deterministic = False

    def __init__(self, weight: Tensor, sigma: float, restless: bool = False) -> None:
        self.weight, self.sigma, self.restless = weight, sigma, restless

    def __call__(self, images: Tensor, rng: Generator) -> Tensor:
        flat = images.flatten(1)
        if self.restless:
            return flat @ (self.weight + self.sigma * torch.randn(self.weight.shape, generator=rng)).T
        return (flat + self.sigma * torch.randn(flat.shape, generator=rng)) @ self.weight.T


def labelled(weight: Tensor, count: int) -> Batch:
    """Grey images under the labels that the classifier gives them without noise."""
    images = grey(count, PIXELS)
    return Batch(tuple(range(count)), images, (images.flatten(1) @ weight.T).argmax(1))


def expected_gradient(weight: Tensor, image: Tensor, label: int) -> Tensor:
    """The sum over the other classes of E[p_k] (w_k - w_label), by Gauss-Hermite quadrature over the K - 1 leads."""
    rivals = torch.stack([weight[k] - weight[label] for k in range(len(weight)) if k != label]).double().numpy()
    mean, spread = rivals @ image.double().flatten().numpy(), np.linalg.cholesky(SIGMA**2 * rivals @ rivals.T)
    places, weights = np.polynomial.hermite_e.hermegauss(40)
    total = np.zeros(len(rivals))
    for chosen in itertools.product(range(40), repeat=len(rivals)):
        odds = np.exp(mean + spread @ places[list(chosen)])
        total += np.prod(weights[list(chosen)] / np.sqrt(2 * np.pi)) * odds / (1 + odds.sum())
    return torch.from_numpy(total @ rivals)


@pytest.mark.parametrize("classes", [2, 3])
def test_the_averaged_gradient_is_the_expectation_s(classes: int) -> None:
    weight = torch.randn(classes, PIXELS, generator=generator(1))
    batch, attacked = labelled(weight, 6), Victim(NoisyLinear(weight, SIGMA), generator(2))
    gradient, _ = ascend(attacked, batch.images, batch.labels, draws=4000)
    for found, image, label in zip(gradient, batch.images, batch.labels.tolist(), strict=True):
        expected = expected_gradient(weight, image, label)
        assert (found.flatten() - expected).norm() < 0.05 * expected.norm()


@pytest.mark.parametrize(
    ("attack", "dual", "epsilon"), [(PgdEotLinf(steps=8), 1, 0.02), (PgdEotL2(steps=30, step_size="0.01"), 2, 0.08)]
)
def test_every_sample_of_a_linear_classifier_under_noise_gets_the_analytic_verdict(
    attack: PgdEot, dual: float, epsilon: float
) -> None:
    weight = torch.randn(2, PIXELS, generator=generator(1))
    weight -= weight.mean(1, keepdim=True)
    batch, budget = labelled(weight, 200), threat(attack.norm, str(epsilon))
    classifier = NoisyLinear(weight, 0.1)
    perturbed = attack.perturb(Victim(classifier, generator(2)), batch, budget, generator()).images
    rival = (weight[1] - weight[0]).double()
    signs = torch.where(batch.labels == 0, 1.0, -1.0)
    left = -signs * (batch.images.double().flatten(1) @ rival) - epsilon * rival.norm(p=dual)
    rates = torch.stack(
        [classifier(perturbed, noise).argmax(1) == batch.labels for noise in map(generator, range(600))]
    ).double()
    analytic = torch.special.ndtr(left / (0.1 * rival.norm()))
    assert (rates.mean(0) - analytic).abs().max() < 0.08  # four standard deviations of a share of 600 draws
    clear = (analytic - 0.5).abs() > 0.08
    assert torch.equal((rates.mean(0) > 0.5)[clear], (left > 0)[clear])
    assert 40 < int((left > 0)[clear].sum()) < int(clear.sum()) - 40


def test_averaging_misleads_a_defense_whose_single_gradients_are_noise() -> None:
    weight = torch.randn(2, PIXELS, generator=generator(1))
    weight -= weight.mean(1, keepdim=True)
    batch, budget, classifier = labelled(weight, 100), threat("linf", "0.1"), NoisyLinear(weight, 3.0, restless=True)
    shares = {}
    for attack in (PgdEotLinf(steps=10, step_size="0.02"), PgdLinf(steps=10, step_size="0.02", random_start=False)):
        perturbed = attack.perturb(Victim(classifier, generator(2)), batch, budget, generator()).images
        flat = perturbed.flatten(1) @ weight.T
        shares[type(attack)] = float((flat.argmax(1) == batch.labels).float().mean())
    assert shares[PgdEotLinf] < shares[PgdLinf] - 0.2


def test_on_a_deterministic_defense_it_is_pgd_and_asks_once_a_step() -> None:
    module = network()
    batch, budget = batch_for(module, 8), threat("linf", "0.05")
    attacked = victim(module)
    images = PgdEotLinf(steps=6).perturb(attacked, batch, budget, generator()).images
    plain = PgdLinf(steps=6, step_size="0.007", random_start=False)
    assert torch.equal(images, plain.perturb(victim(module), batch, budget, generator()).images)
    assert attacked.forwards == attacked.backwards == 6 * 8


def test_on_a_random_defense_every_step_asks_for_every_draw_and_tells_the_majority() -> None:
    module = network()
    batch, budget = batch_for(module, 8, wrong=2), threat("linf", "0.05")
    attacked = Victim(Noisy(module, 0.01), generator())
    proposal = PgdEotLinf(steps=3, draws=5).perturb(attacked, batch, budget, generator())
    assert attacked.forwards == attacked.backwards == 3 * 5 * 8
    assert proposal.broken_at is not None
    assert torch.equal(proposal.broken_at == 0, torch.arange(8) < 2)


def test_the_defaults_are_the_published_ones() -> None:
    for attack in (PgdEotLinf(), PgdEotL2()):
        assert (attack.steps, attack.draws, attack.step_size, attack.random_start) == (200, 20, "0.007", False)


@settings(max_examples=20, deadline=None)
@given(
    attack=st.sampled_from([PgdEotLinf(steps=3, draws=2), PgdEotL2(steps=3, draws=2, step_size="0.3")]),
    shard=SHARDS,
)
def test_proposals_stay_in_the_budget_and_follow_from_the_seed(attack: PgdEot, shard: Shard) -> None:
    assert_kept(attack, shard, 0, 1.0)
