"""Carlini and Wagner's attack against closed forms, foolbox, torchattacks, and its own promises."""

from __future__ import annotations

import warnings
from dataclasses import replace
from fractions import Fraction

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from attacks.carlini_wagner import CarliniWagnerL2
from bench import Batch, Network, ThreatModel, Victim
from tests import needs
from tests.attacks.victims import Noisy, batch_for, generator, linear, network, threat, victim, watched

BRIEF = CarliniWagnerL2(search_steps=3, steps=30, initial_constant=0.1)


def lengths(batch: Batch, images: Tensor) -> Tensor:
    """l2 distances (N,) from the clean images."""
    return (images - batch.images).flatten(1).norm(dim=1)


def middle(distances: Tensor) -> float:
    """The median distance."""
    return float(distances.median())


def grey(batch: Batch, module: nn.Module) -> Batch:
    """The same images without black and white, labelled anew."""
    images = 0.2 + 0.6 * batch.images
    with torch.no_grad():
        return replace(batch, images=images, labels=module(images).argmax(1))


def test_on_a_linear_classifier_the_closest_images_lie_at_the_analytic_distances() -> None:
    weight = torch.randn(2, 48, generator=generator(1))
    module = linear(weight)
    batch = grey(batch_for(module, 40, channels=3, size=(4, 4)), module)
    logits = module(batch.images).detach()
    analytic = (logits[:, 0] - logits[:, 1]).abs() / (weight[0] - weight[1]).norm()
    assert analytic.max() < 0.8, "the nearest image of a sample may lie outside [0, 1]"

    attack = CarliniWagnerL2(steps=200, initial_constant=1e-2)
    proposal = attack.perturb(victim(module), batch, threat("l2", "0.2"), generator())
    found = lengths(batch, proposal.closest)
    assert (found > 0.999 * analytic).all()
    assert (found < 1.01 * analytic + 0.003).all(), "a step of Adam moves a grey pixel by 0.005"
    assert torch.equal(proposal.broken_at > 0, found <= 0.2)


def test_distances_are_those_of_foolbox() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # foolbox imports a scipy name that is on its way out
        foolbox = pytest.importorskip("foolbox", reason=needs.reason("foolbox"))
    module = network()
    batch = batch_for(module, 48)
    model = foolbox.PyTorchModel(module, bounds=(0, 1))
    library = foolbox.attacks.L2CarliniWagnerAttack(
        binary_search_steps=5, steps=100, initial_const=0.1, abort_early=False
    )
    theirs, _, found = library(model, batch.images, batch.labels, epsilons=None)
    attack = CarliniWagnerL2(search_steps=5, steps=100, initial_constant=0.1, abort_early=False)
    ours = attack.perturb(victim(module), batch, threat("l2", "1"), generator()).closest
    assert found.all()
    assert (module(ours).argmax(1) != batch.labels).all()
    assert middle(lengths(batch, ours)) == pytest.approx(middle(lengths(batch, theirs)), rel=0.03)


def test_with_one_constant_distances_are_those_of_torchattacks() -> None:
    torchattacks = pytest.importorskip("torchattacks", reason=needs.reason("torchattacks"))
    module = network()
    batch = grey(batch_for(module, 48), module)  # black and white pixels are stuck in torchattacks
    theirs = torchattacks.CW(module, c=5, steps=100, lr=0.01)(batch.images, batch.labels)
    attack = CarliniWagnerL2(search_steps=1, steps=100, initial_constant=5, abort_early=False)
    ours = attack.perturb(victim(module), batch, threat("l2", "1"), generator()).closest
    found = module(theirs).argmax(1) != batch.labels
    assert torch.equal(found, module(ours).argmax(1) != batch.labels)
    assert middle(lengths(batch, ours)[found]) == pytest.approx(middle(lengths(batch, theirs)[found]), rel=0.03)


@settings(max_examples=20, deadline=None)
@given(st.fractions(Fraction(1, 100), Fraction(2)), st.integers(2, 6), st.sampled_from([1, 3]), st.integers(1, 9))
def test_images_are_the_closest_ones_where_the_budget_admits_them_and_clean_elsewhere(
    epsilon: Fraction, classes: int, channels: int, width: int
) -> None:
    module = network(classes, channels)
    batch = batch_for(module, 6, channels, size=(5, width), wrong=1)
    budget = ThreatModel("l2", epsilon)
    proposal = BRIEF.perturb(victim(module), batch, budget, generator())
    assert proposal.closest is not None
    assert proposal.broken_at is not None
    near = lengths(batch, proposal.closest) <= budget.radius
    assert budget.admits(batch.images, proposal.images).all()
    assert torch.equal(proposal.images, torch.where(near.view(-1, 1, 1, 1), proposal.closest, batch.images))
    assert torch.equal(proposal.images[0], batch.images[0])
    assert proposal.broken_at[0] == 0
    assert torch.equal(proposal.broken_at >= 0, module(proposal.images).argmax(1) != batch.labels)
    assert proposal.broken_at.max() <= BRIEF.search_steps * BRIEF.steps


def test_a_classifier_that_always_says_the_same_is_never_broken() -> None:
    module = linear(torch.zeros(3, 16), torch.tensor([1.0, 0.0, 0.0]))
    batch = batch_for(module, 3, size=(4, 4))
    proposal = replace(BRIEF, search_steps=12).perturb(victim(module), batch, threat("l2", "1"), generator())
    assert torch.equal(proposal.images, batch.images)
    assert torch.equal(proposal.closest, batch.images)
    assert proposal.broken_at.tolist() == [-1, -1, -1]


def test_a_sample_does_not_depend_on_the_rest_of_the_batch() -> None:
    module = network()
    batch = batch_for(module, 12)
    attack = replace(BRIEF, steps=60)
    together = attack.perturb(victim(module), batch, threat("l2", "0.3"), generator()).closest
    alone = Batch((3,), batch.images[3:4], batch.labels[3:4])
    single = attack.perturb(victim(module), alone, threat("l2", "0.3"), generator()).closest
    torch.testing.assert_close(together[3:4], single, rtol=0, atol=1e-4)


def test_settled_samples_leave_the_batch_and_no_step_asks_more_than_the_rest() -> None:
    module = network()
    batch = batch_for(module, 16, wrong=8)
    attacked = victim(module)
    BRIEF.perturb(attacked, batch, threat("l2", "0.3"), generator())
    assert attacked.forwards == attacked.backwards + 16
    assert attacked.backwards < 8 * BRIEF.search_steps * BRIEF.steps
    patient = victim(module)
    replace(BRIEF, abort_early=False).perturb(patient, batch, threat("l2", "0.3"), generator())
    assert patient.backwards == 8 * BRIEF.search_steps * BRIEF.steps


def test_a_random_defense_is_attacked_with_the_whole_batch_so_that_its_noise_stays_the_same() -> None:
    module = network()
    batch = batch_for(module, 8, wrong=4)
    attacked = Victim(Noisy(module, 0.1), generator(4))
    replace(BRIEF, abort_early=False).perturb(attacked, batch, threat("l2", "0.3"), generator())
    assert attacked.backwards == 8 * BRIEF.search_steps * BRIEF.steps


def test_confidence_keeps_the_closest_images_away_from_the_boundary() -> None:
    module = network()
    batch = batch_for(module, 12)
    attack = CarliniWagnerL2(search_steps=4, steps=100, initial_constant=0.1, confidence=0.5)
    closest = attack.perturb(victim(module), batch, threat("l2", "1"), generator()).closest
    logits = module(closest)
    own = logits.gather(1, batch.labels[:, None]).flatten()
    assert (logits.amax(1) - own >= 0.5).all()


def test_progress_counts_the_steps_of_every_constant_and_names_the_robust_samples() -> None:
    module = network()
    attacked, seen = watched(Network(module))
    attack = CarliniWagnerL2(search_steps=2, steps=3, abort_early=False)
    attack.perturb(attacked, batch_for(module, 2), threat("l2", "0.1"), generator())
    assert [(done, total) for done, total, _ in seen] == [(step, 6) for step in range(1, 7)]
    assert seen[0][2] == "constant 1 of 2, 2 still robust"
