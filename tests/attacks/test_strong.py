"""A3 and MALT: closed forms, AutoAttack's parts, and what they promise."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from attacks.a3 import A3, A3L2, A3Linf
from attacks.autoattack.apgd import ApgdTLinf
from attacks.gradient import PgdLinf
from attacks.malt import Malt, MaltL2, MaltLinf
from bench import Victim
from tests.attacks.adaptive.test_adaptive import Linear, balanced
from tests.attacks.promises import EPSILONS, SEEDS, assert_repeated
from tests.attacks.test_expectation import labelled
from tests.attacks.victims import batch_for, generator, network, threat, victim


@pytest.mark.parametrize(
    ("attack", "dual", "epsilon"),
    [(A3Linf(restarts=1), 1, 0.02), (A3L2(restarts=1), 2, 0.08), (MaltLinf(), 1, 0.02), (MaltL2(), 2, 0.08)],
)
def test_every_sample_of_a_linear_classifier_gets_the_verdict_of_the_closed_form(
    attack: Any, dual: float, epsilon: float
) -> None:
    weight = balanced()
    batch, budget = labelled(weight, 80), threat(attack.norm, str(epsilon))
    found = attack.perturb(Victim(Linear(weight), generator(2)), batch, budget, generator()).images
    rival = (weight[1] - weight[0]).double()
    signs = torch.where(batch.labels == 0, 1.0, -1.0)
    left = -signs * (batch.images.double().flatten(1) @ rival) - epsilon * rival.norm(p=dual)
    survives = (found.flatten(1) @ weight.T).argmax(1) == batch.labels
    clear = left.abs() > 0.02 * epsilon * rival.norm(p=dual)
    assert torch.equal(survives[clear], (left > 0)[clear])
    assert 10 < int(survives.sum()) < 70


def test_a_net_falls_to_them_as_often_as_to_the_attacks_that_they_replace_for_fewer_passes() -> None:
    module = network()
    batch, budget = batch_for(module, 60), threat("linf", "0.03")

    def tried(attack: Any) -> tuple[int, int]:
        attacked = victim(module)
        images = attack.perturb(attacked, batch, budget, generator(4)).images
        return int((module(images).argmax(1) != batch.labels).sum()), attacked.forwards + attacked.backwards

    (short, spent), (nearest, nearly), (targeted, whole) = (
        tried(attack) for attack in (A3Linf(restarts=1), MaltLinf(), ApgdTLinf())
    )
    plain, _ = tried(PgdLinf(steps=10, restarts=1))
    assert min(short, nearest) >= max(plain, targeted - 1)
    assert short < 60
    assert max(spent, nearly) < 1.1 * whole


@pytest.mark.parametrize("attack", [A3Linf(restarts=1), MaltLinf(n_iter=5)])
def test_misclassified_samples_are_left_alone_and_iterations_say_when_the_others_fell(attack: Any) -> None:
    module = network()
    batch = batch_for(module, 10, wrong=3)
    found = attack.perturb(victim(module), batch, threat("linf", "0.05"), generator())
    assert torch.equal(found.images[:3], batch.images[:3])
    assert torch.equal(found.broken_at == 0, torch.arange(10) < 3)
    wrong = module(found.images).argmax(1) != batch.labels
    assert torch.equal(found.broken_at >= 0, wrong)


@settings(max_examples=5, deadline=None)
@given(
    attack=st.sampled_from([A3Linf(restarts=1), A3L2(restarts=1), MaltLinf(n_iter=3), MaltL2(n_iter=3)]),
    count=st.integers(1, 4),
    classes=st.integers(2, 5),
    epsilon=EPSILONS,
    seed=SEEDS,
)
def test_proposals_stay_in_the_budget_and_follow_from_the_seed(
    attack: Any, count: int, classes: int, epsilon: Fraction, seed: int
) -> None:
    module = network(classes)
    assert_repeated(attack, module, batch_for(module, count), epsilon, seed, 0, 1.0)


def test_both_are_attacks_in_two_norms() -> None:
    assert {kind.norm for kind in (A3Linf, MaltLinf)} == {"linf"}
    assert issubclass(A3L2, A3)
    assert issubclass(MaltL2, Malt)
