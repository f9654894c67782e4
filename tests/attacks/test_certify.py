"""The settings of a proof, and the votes it is drawn from against the closed form of linear classifiers.

The radii themselves are the verdict's; see the tests of evaluation.
"""

from __future__ import annotations

import pytest
import torch
from torch import Generator, Tensor

from attacks.certify import CertifyL2
from bench import Classifier, Smoothing, UsageError, Victim, count_votes
from bench.testing import assert_contracts, check_attack
from tests.attacks.victims import batch_for, generator, network, threat, victim

WEIGHT, BIAS, SIGMA = torch.tensor([0.6, -1.2, 0.3, 0.9]), -0.2, 0.25


class Plane(Classifier):
    """Two classes by the side of a plane; remembers how many images it was shown at once."""

    def __init__(self) -> None:
        self.shown: list[int] = []

    def __call__(self, images: Tensor, rng: Generator) -> Tensor:
        self.shown.append(len(images))
        score = images.flatten(1) @ WEIGHT + BIAS
        return torch.stack([-score, score], 1)


def points(count: int) -> Tensor:
    return torch.rand(count, 1, 2, 2, generator=generator(3))


def votes(draws: int, rows: int = 64, count: int = 9) -> Tensor:
    return count_votes(Plane(), points(count), SIGMA, draws, generator(5), 2, rows)


def test_votes_of_a_linear_classifier_come_as_often_as_its_margin_says() -> None:
    counts = votes(20_000)
    margin = (points(9).flatten(1) @ WEIGHT + BIAS) / (SIGMA * WEIGHT.norm())
    expected = torch.distributions.Normal(0.0, 1.0).cdf(margin)
    assert counts.sum(1).tolist() == [20_000] * 9
    assert counts.dtype == torch.int64
    torch.testing.assert_close(counts[:, 1] / 20_000, expected, rtol=0, atol=0.015)


def test_votes_do_not_depend_on_how_many_rows_go_through_at_once() -> None:
    assert torch.equal(votes(50, rows=1), votes(50, rows=1000))
    base = Plane()
    count_votes(base, points(9), SIGMA, 50, generator(5), 2, 30)
    assert max(base.shown) <= 30
    assert sum(base.shown) == 450


def test_images_that_ask_for_a_gradient_keep_no_graph_of_their_votes() -> None:
    class Watching(Plane):
        def __call__(self, images: Tensor, rng: Generator) -> Tensor:
            assert not images.requires_grad
            return super().__call__(images, rng)

    count_votes(Watching(), points(3).requires_grad_(), SIGMA, 5, generator(5), 2, 8)


def test_a_certifier_changes_no_image_and_asks_nothing() -> None:
    module = network()
    batch, attacked = batch_for(module, 3), victim(module)
    proposal = CertifyL2().perturb(attacked, batch, threat("l2", "0.25"), generator())
    assert torch.equal(proposal.images, batch.images)
    assert proposal.images.data_ptr() != batch.images.data_ptr()
    assert isinstance(attacked, Victim)
    assert (attacked.forwards, attacked.backwards) == (0, 0)


def test_its_settings_are_those_of_the_proof_and_ones_without_sense_are_refused() -> None:
    assert CertifyL2().smoothing() == Smoothing(n0=100, n=10_000, alpha=0.001)
    assert_contracts(check_attack(CertifyL2(n0=5)))
    with pytest.raises(UsageError, match="at least 1; got 0"):
        CertifyL2(n0=0)
    with pytest.raises(UsageError, match="alpha"):
        CertifyL2(alpha=0)
