"""BPDA-EOT past purifiers and stand-ins to analytic verdicts; elsewhere it is PGD."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from torch import Generator, Tensor

from attacks.bpda import BpdaEot
from attacks.expectation import PgdEotLinf
from attacks.gradient import PgdLinf
from bench import Batch, Classifier, Network, Victim
from defenses.parts.purification.purified import Purified
from tests.attacks.promises import SHARDS, Shard, assert_kept
from tests.attacks.victims import batch_for, generator, grey, linear, network, threat, victim

WEIGHT = torch.randn(2, 24, generator=generator(1)) * torch.tensor([[-1.0], [1.0]])


class Rounding:
    """A purifier that adds noise and rounds to `levels` greys; its exact gradient is zero."""

    def __init__(self, levels: int, spread: float) -> None:
        self.levels, self.spread = levels, spread

    def __call__(self, images: Tensor, rng: Generator) -> Tensor:
        noisy = images + self.spread * torch.randn(images.shape, generator=rng)
        return (noisy * self.levels).round() / self.levels

    def shrink(self) -> str | None:
        return None


def halved() -> Network:
    """Two classes of 24 pixels, divided by a plane through grey."""
    return Network(linear(WEIGHT))


def labelled(count: int) -> Batch:
    """Images around grey under the labels that the linear classifier gives them."""
    images = grey(count, 24)
    return Batch(tuple(range(count)), images, halved()(images, generator()).argmax(1))


def right(classifier: Classifier, images: Tensor, batch: Batch, draws: int) -> Tensor:
    """The share (N,) of fresh draws in which the classifier is right."""
    votes = [classifier(images, noise).argmax(1) == batch.labels for noise in map(generator, range(100, 100 + draws))]
    return torch.stack(votes).float().mean(0)


def lead(batch: Batch, epsilon: float) -> Tensor:
    """What is left of each sample's lead over the other class after the strongest perturbation."""
    rival = WEIGHT[1] - WEIGHT[0]
    signs = torch.where(batch.labels == 1, 1.0, -1.0)
    return signs * ((batch.images.flatten(1) - 0.5) @ rival) - epsilon * rival.norm(p=1)


def test_behind_a_purifier_without_a_gradient_every_sample_gets_the_analytic_verdict() -> None:
    classifier, batch, budget = Purified(Rounding(64, 0.02), halved()), labelled(200), threat("linf", "0.03")
    perturbed = BpdaEot(steps=20).perturb(Victim(classifier, generator()), batch, budget, generator())
    assert budget.admits(batch.images, perturbed.images).all()
    left = lead(batch, 0.03)
    share, clear = right(classifier, perturbed.images, batch, 60), left.abs() > 0.3
    assert torch.equal((share > 0.5)[clear], (left > 0)[clear])
    assert 30 < int((left > 0)[clear].sum()) < int(clear.sum()) - 30
    blind = PgdEotLinf(steps=20).perturb(Victim(classifier, generator()), batch, budget, generator())
    assert right(classifier, blind.images, batch, 60).mean() > 0.9


def test_on_a_plain_classifier_it_is_pgd() -> None:
    module, batch, budget = network(), batch_for(network(), 16), threat("linf", "0.05")
    attacked, whole = victim(module), PgdLinf(steps=50)
    proposal = BpdaEot().perturb(attacked, batch, budget, generator(9))
    assert torch.equal(proposal.images, whole.perturb(victim(module), batch, budget, generator(9)).images)
    assert attacked.forwards == attacked.backwards == 50 * 16


def test_a_stand_in_is_used_where_there_is_no_purifier() -> None:
    class Stepped(Classifier):
        differentiable = False

        def __call__(self, images: Tensor, rng: Generator) -> Tensor:
            return halved()((images * 64).round() / 64, rng)

        def stand_in(self) -> Classifier:
            return halved()

    batch, budget, left = labelled(200), threat("linf", "0.03"), lead(labelled(200), 0.03)
    images = BpdaEot(steps=20).perturb(Victim(Stepped(), generator()), batch, budget, generator()).images
    clear = left.abs() > 0.2
    assert torch.equal((right(Stepped(), images, batch, 1) > 0.5)[clear], (left > 0)[clear])


def test_each_step_asks_a_purified_classifier_once_a_draw() -> None:
    attacked = Victim(Purified(Rounding(64, 0.02), halved()), generator())
    BpdaEot(steps=3, draws=4).perturb(attacked, labelled(8), threat("linf", "0.03"), generator())
    assert attacked.forwards == attacked.backwards == 3 * 4 * 8


def test_the_defaults_are_the_published_ones() -> None:
    attack = BpdaEot()
    assert (attack.steps, attack.draws, attack.step_size, attack.random_start) == (50, 15, "2/255", True)


@settings(max_examples=20, deadline=None)
@given(SHARDS)
def test_proposals_stay_in_the_budget_and_follow_from_the_seed(shard: Shard) -> None:
    assert_kept(BpdaEot(steps=3, draws=2), shard, 0, 1.0)
