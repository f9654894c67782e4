"""FGSM and PGD against closed forms, torchattacks, and their own promises."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from attacks.gradient import FgsmLinf, PgdL2, PgdLinf
from bench import Attack, Batch, Network, Victim
from tests import needs
from tests.attacks.promises import SHARDS, Shard, assert_kept
from tests.attacks.victims import Noisy, batch_for, generator, grey, linear, network, right, threat, victim, watched


def verdicts(attack: Attack, module: nn.Module, batch: Batch, epsilon: str) -> Tensor:
    """Which samples stay right under images that the judge admits."""
    budget = threat(attack.norm, epsilon)
    perturbed = attack.perturb(victim(module), batch, budget, generator()).images
    assert budget.admits(batch.images, perturbed).all()
    return right(module, perturbed, batch.labels)


def margins(weight: Tensor, bias: Tensor, batch: Batch, dual: float, epsilon: float) -> Tensor:
    """The lead (N, K) over each class that the strongest attacker on it leaves, exact for a linear classifier."""
    weight, bias = weight.double(), bias.double()
    logits = batch.images.double().flatten(1) @ weight.T + bias
    reach = epsilon * (weight[batch.labels][:, None] - weight[None]).norm(p=dual, dim=2)
    own = nn.functional.one_hot(batch.labels, len(bias)).bool()
    return (logits.gather(1, batch.labels[:, None]) - logits - reach).masked_fill(own, torch.inf)


@pytest.mark.parametrize(
    ("attack", "dual", "epsilon"),
    [(FgsmLinf(), 1, "0.01"), (PgdLinf(), 1, "0.01"), (PgdL2(step_size="0.05"), 2, "0.05")],
)
def test_on_a_linear_classifier_of_two_classes_every_sample_gets_the_analytic_verdict(
    attack: Attack, dual: float, epsilon: str
) -> None:
    weight, bias = torch.randn(2, 48, generator=generator(1)), torch.tensor([0.0, 0.2])
    weight -= weight.mean(1, keepdim=True)
    images = grey(400, 48)
    labels = (images.flatten(1) @ weight.T + bias).argmax(1)
    batch = Batch(tuple(range(400)), images, labels)
    left = margins(weight, bias, batch, dual, float(epsilon)).amin(1)
    assert left.abs().min() > 1e-4, "a sample lies on the edge, where float32 decides"
    survives = verdicts(attack, linear(weight, bias), batch, epsilon)
    assert torch.equal(survives, left > 0)
    assert 100 < int(survives.sum()) < 300


@pytest.mark.parametrize("classes", [3, 6])
@pytest.mark.parametrize(
    ("attack", "dual", "epsilon"),
    [(FgsmLinf(), 1, "0.01"), (PgdLinf(), 1, "0.01"), (PgdL2(step_size="0.05"), 2, "0.05")],
)
def test_on_a_linear_classifier_of_several_classes_every_sample_gets_the_analytic_verdict(
    attack: Attack, dual: float, epsilon: str, classes: int
) -> None:
    # Class k sums its own block of pixels. In linf one perturbation is then the worst for all rivals; in l2 each
    # rival has its own, so the samples are those with one rival well ahead of the others, which alone carries the
    # gradient.
    weight, bias = 12.0 * torch.eye(classes).repeat_interleave(8, dim=1), torch.zeros(classes)
    images = grey(800, 8 * classes)
    labels = (images.flatten(1) @ weight.T).argmax(1)
    batch = Batch(tuple(range(800)), images, labels)
    first, second = margins(weight, bias, batch, dual, float(epsilon)).sort(1).values[:, :2].T
    clear = second - first > 2
    batch = Batch(tuple(range(int(clear.sum()))), images[clear], labels[clear])
    left = first[clear]
    assert left.abs().min() > 1e-4, "a sample lies on the edge, where float32 decides"
    survives = verdicts(attack, linear(weight, bias), batch, epsilon)
    assert torch.equal(survives, left > 0)
    assert 100 < int(survives.sum()) < len(batch) - 100


def test_fgsm_equals_torchattacks() -> None:
    torchattacks = pytest.importorskip("torchattacks", reason=needs.reason("torchattacks"))
    module = network(channels=3)
    batch = batch_for(module, 16, channels=3)
    theirs = torchattacks.FGSM(module, eps=8 / 255)(batch.images, batch.labels)
    ours = FgsmLinf().perturb(victim(module), batch, threat("linf", "8/255"), generator()).images
    assert torch.equal(ours, theirs)


@pytest.mark.parametrize("random_start", [True, False])
@pytest.mark.parametrize(
    ("kind", "library", "step", "epsilon", "rounding"),
    [(PgdLinf, "PGD", "2/255", "8/255", 0), (PgdL2, "PGDL2", "0.1", "0.5", 2e-6)],
)
def test_pgd_equals_torchattacks(
    kind: Any, library: str, step: str, epsilon: str, rounding: float, random_start: bool
) -> None:
    torchattacks = pytest.importorskip("torchattacks", reason=needs.reason("torchattacks"))
    module = network(channels=3)
    batch = batch_for(module, 16, channels=3)
    radius, alpha = float(Fraction(epsilon)), float(Fraction(step))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        theirs = getattr(torchattacks, library)(module, radius, alpha, steps=10, random_start=random_start)(
            batch.images, batch.labels
        )
    attack = kind(steps=10, step_size=step, random_start=random_start)
    ours = attack.perturb(victim(module), batch, threat(attack.norm, epsilon), generator(5)).images
    torch.testing.assert_close(ours, theirs, rtol=0, atol=rounding)


@settings(max_examples=25, deadline=None)
@given(
    attack=st.sampled_from([FgsmLinf(), PgdLinf(steps=3), PgdLinf(steps=3, restarts=2), PgdL2(steps=3)]),
    shard=SHARDS,
)
def test_proposals_stay_in_the_budget_and_follow_from_the_seed(attack: Attack, shard: Shard) -> None:
    assert_kept(attack, shard, 0)


@pytest.mark.parametrize("attack", [FgsmLinf(), PgdLinf(steps=3), PgdL2(steps=3), PgdL2(steps=3, random_start=False)])
def test_a_gradient_of_zero_gives_finite_images(attack: Attack) -> None:
    module = linear(torch.zeros(3, 64), torch.tensor([1.0, 0.0, 0.0]))
    batch = batch_for(module, 4)
    budget = threat(attack.norm, "0.1")
    perturbed = attack.perturb(victim(module), batch, budget, generator()).images
    assert budget.admits(batch.images, perturbed).all()


def test_the_l2_step_survives_gradients_whose_squares_underflow() -> None:
    module = linear(torch.stack([torch.full((64,), 1e-25), torch.full((64,), -1e-25)]), torch.zeros(2))
    batch = batch_for(module, 2, size=(8, 8))
    batch = Batch(batch.indices, batch.images.clamp(0.4, 0.6), torch.zeros(2, dtype=torch.int64))
    attack = PgdL2(steps=5, random_start=False)
    perturbed = attack.perturb(victim(module), batch, threat("l2", "0.4"), generator()).images
    torch.testing.assert_close(perturbed, batch.images - 0.4 / 8, rtol=0, atol=1e-6)


def test_restarts_keep_the_first_success_of_each_sample_and_cost_one_query_each() -> None:
    module = network()
    batch = batch_for(module, 24)
    budget = threat("linf", "0.03")
    stream = generator(9)
    single = PgdLinf(steps=2)
    runs = [single.perturb(victim(module), batch, budget, stream).images for _ in range(3)]
    attacked = victim(module)
    kept = PgdLinf(steps=2, restarts=3).perturb(attacked, batch, budget, generator(9)).images
    with torch.no_grad():
        logits = [module(run) for run in runs]
    for sample, label in enumerate(batch.labels):
        wrong = [run[sample] for run, logit in zip(runs, logits, strict=True) if logit[sample].argmax() != label]
        losses = [float(nn.functional.cross_entropy(logit[sample], label)) for logit in logits]
        expected = wrong[0] if wrong else runs[losses.index(max(losses))][sample]
        assert torch.equal(kept[sample], expected)
    assert attacked.forwards == 24 * 3 * (2 + 1)
    assert attacked.backwards == 24 * 3 * 2


@pytest.mark.parametrize("random_start", [True, False])
def test_the_iteration_that_first_saw_each_sample_misclassified_is_told(random_start: bool) -> None:
    module = network()
    batch = batch_for(module, 24, wrong=3)
    budget = threat("linf", "0.1")
    shorter = [PgdLinf(steps=k, random_start=random_start) for k in range(1, 8)]
    runs = [attack.perturb(victim(module), batch, budget, generator(9)) for attack in shorter]
    start = batch.images
    if random_start:
        start = (start + torch.empty_like(start).uniform_(-0.1, 0.1, generator=generator(9))).clamp(0, 1)
    seen = [start, *(run.images for run in runs[:-1])]
    wrong = torch.stack([module(images).argmax(1) != batch.labels for images in seen])
    numbers = torch.tensor([0 if not random_start else 1, *range(2, 8)])
    expected = torch.where(wrong.any(0), numbers[wrong.int().argmax(0)], -1)
    assert runs[-1].broken_at is not None
    assert torch.equal(runs[-1].broken_at, expected)
    assert len(expected.unique()) > 3


def test_fgsm_and_restarts_tell_what_they_saw() -> None:
    module = network()
    batch = batch_for(module, 24, wrong=3)
    budget = threat("linf", "0.03")
    step = FgsmLinf().perturb(victim(module), batch, budget, generator()).broken_at
    assert torch.equal(step, torch.tensor([0] * 3 + [-1] * 21))
    restarted = PgdLinf(steps=2, restarts=3).perturb(victim(module), batch, budget, generator(9))
    wrong = module(restarted.images).argmax(1) != batch.labels
    assert torch.equal(restarted.broken_at >= 1, wrong)
    assert restarted.broken_at.max() > 2


def test_draws_average_gradients_over_fresh_noise_and_one_draw_keeps_the_noise() -> None:
    module = network()
    batch = batch_for(module, 4)
    budget = threat("linf", "0.05")
    by_hand, total = Victim(Noisy(module, 3.0), generator(4)), torch.zeros_like(batch.images)
    for _ in range(5):
        by_hand.redraw()
        images = batch.images.clone().requires_grad_()
        nn.functional.cross_entropy(by_hand(images), batch.labels, reduction="sum").backward()
        total += images.grad
    noisy = Victim(Noisy(module, 3.0), generator(4))
    averaged = FgsmLinf(draws=5).perturb(noisy, batch, budget, generator()).images
    assert torch.equal(averaged, (batch.images + 0.05 * total.sign()).clamp(0, 1))
    assert noisy.forwards == noisy.backwards == 20
    one = FgsmLinf().perturb(noisy, batch, budget, generator()).images
    assert torch.equal(FgsmLinf().perturb(noisy, batch, budget, generator()).images, one)


def test_a_gradient_does_not_depend_on_the_rest_of_the_batch() -> None:
    module = network()
    batch = batch_for(module, 8)
    attack = PgdL2(steps=5, random_start=False)
    together = attack.perturb(victim(module), batch, threat("l2", "0.3"), generator()).images
    alone = Batch((0,), batch.images[:1], batch.labels[:1])
    single = attack.perturb(victim(module), alone, threat("l2", "0.3"), generator()).images
    torch.testing.assert_close(together[:1], single, rtol=0, atol=1e-6)


def test_progress_counts_every_step_of_every_restart() -> None:
    module = network()
    attacked, seen = watched(Network(module))
    PgdLinf(steps=3, restarts=2).perturb(attacked, batch_for(module, 2), threat("linf", "0.1"), generator())
    assert [(done, total) for done, total, _ in seen] == [(step, 6) for step in range(1, 7)]
