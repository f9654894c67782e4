"""Certificates against the closed form of linear classifiers, and against the normal distribution."""

from __future__ import annotations

from statistics import NormalDist

import pytest
import torch
from scipy.stats import beta, binom
from torch import Generator, Tensor

from attacks.certify import CertifyL2
from bench import Batch, Network, Smoothed, UsageError, Victim
from tests.attacks.victims import generator, network, threat

WEIGHT, BIAS, SIGMA = torch.tensor([0.6, -1.2, 0.3, 0.9]), -0.2, 0.25
BUDGET = threat("l2", "0.25")


class SmoothedHyperplane(Smoothed):
    """Two classes by the side of a plane; smoothing leaves a plane as it is."""

    sigma = SIGMA

    def __call__(self, images: Tensor, rng: Generator) -> Tensor:
        score = images.flatten(1) @ WEIGHT + BIAS
        return torch.stack([-score, score], 1)

    def counts(self, images: Tensor, draws: int, rng: Generator) -> Tensor:
        noise = torch.randn((draws, *images.shape), generator=rng)
        classes = self((images + SIGMA * noise).flatten(0, 1), rng).argmax(1).view(draws, -1)
        return torch.stack([(classes == kind).sum(0) for kind in (0, 1)], 1)


def points(count: int) -> Batch:
    images = torch.rand(count, 1, 2, 2, generator=generator(3))
    return Batch(tuple(range(count)), images, torch.zeros(count, dtype=torch.int64))


def true_radii(images: Tensor) -> Tensor:
    return (images.flatten(1) @ WEIGHT + BIAS).abs().double() / WEIGHT.double().norm()


def certified(attack: CertifyL2, batch: Batch) -> tuple[Tensor, Tensor]:
    certificate = attack.perturb(Victim(SmoothedHyperplane(), generator()), batch, BUDGET, generator(5)).certificate
    assert certificate is not None
    return certificate.predictions, certificate.radii


def test_the_radius_of_a_linear_classifier_exceeds_the_closed_form_as_rarely_as_alpha_says() -> None:
    batch, alpha = points(400), 0.05
    _, radii = certified(CertifyL2(n0=50, n=2000, alpha=alpha), batch)
    too_large = int((radii > true_radii(batch.images)).sum())
    assert too_large <= int(binom.ppf(0.9999, 400, alpha))
    assert too_large > 0


def test_many_draws_come_close_to_the_closed_form_up_to_the_largest_radius_they_can_show() -> None:
    batch = points(100)
    predictions, radii = certified(CertifyL2(n0=100, n=40_000, alpha=0.001), batch)
    true = true_radii(batch.images)
    largest = SIGMA * NormalDist().inv_cdf(0.001 ** (1 / 40_000))
    assert float(radii.max()) <= largest + 1e-12
    clear = (true > 0.1) & (true < 2 * SIGMA)
    assert int(clear.sum()) > 50
    assert torch.allclose(radii[clear], true[clear], atol=0.03)
    score = batch.images.flatten(1) @ WEIGHT + BIAS
    assert torch.equal(predictions[clear], (score > 0).long()[clear])


def test_a_sample_is_refused_exactly_where_the_bound_lies_below_a_half() -> None:
    batch = points(300)
    plain = SmoothedHyperplane()
    attack = CertifyL2(n0=20, n=99, alpha=0.01)
    predictions, radii = certified(attack, batch)
    source = generator(5)
    chosen = plain.counts(batch.images, 1, source)
    for _ in range(19):
        chosen += plain.counts(batch.images, 1, source)
    votes = sum(plain.counts(batch.images, 1, source) for _ in range(99))
    assert isinstance(votes, Tensor)
    for row, kind in enumerate(chosen.argmax(1).tolist()):
        count = int(votes[row, kind])
        bound = beta.ppf(0.01, count, 100 - count) if count else 0.0
        assert int(predictions[row]) == (kind if bound >= 0.5 else -1)
        expected = SIGMA * NormalDist().inv_cdf(bound) if bound >= 0.5 else 0.0
        assert float(radii[row]) == pytest.approx(expected, abs=1e-9)
    assert 0 < int((predictions == -1).sum()) < 300


def test_images_stay_clean_and_every_noisy_copy_is_a_query() -> None:
    batch, seen = points(3), []
    victim = Victim(SmoothedHyperplane(), generator(), lambda done, total, note="": seen.append((done, total)))
    proposal = CertifyL2(n0=10, n=250).perturb(victim, batch, BUDGET, generator())
    assert torch.equal(proposal.images, batch.images)
    assert (victim.forwards, victim.backwards) == (3 * 260, 0)
    assert seen[-1] == (249, 250)


def test_a_classifier_that_is_not_smoothed_and_settings_without_sense_are_refused() -> None:
    with pytest.raises(UsageError, match="Network is none"):
        CertifyL2().perturb(Victim(Network(network()), generator()), points(2), BUDGET, generator())
    with pytest.raises(UsageError, match="at least 1; got 0"):
        CertifyL2(n0=0)
    with pytest.raises(UsageError, match="alpha"):
        CertifyL2(alpha=0)
