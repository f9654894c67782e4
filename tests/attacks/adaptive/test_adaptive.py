"""The composed attack: closed forms, AutoAttack's verdicts, defenses that only hide their gradient, and its routes."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Generator, Tensor

from attacks.adaptive import Adaptive, AdaptiveL2, AdaptiveLinf
from attacks.autoattack import AutoAttackLinf
from attacks.parts.auto_pgd import checkpoints
from attacks.parts.looking import draws_for
from attacks.parts.losses import LOSSES, margin, pull
from bench import Batch, Classifier, Network, UsageError, Victim
from bench.domain.queries.asking import noise_seed
from tests.attacks.promises import COLOURS, EPSILONS, SEEDS, assert_repeated
from tests.attacks.test_expectation import NoisyLinear, labelled
from tests.attacks.victims import Noisy, batch_for, generator, network, threat, victim

FAST = {"restarts": 1, "targets": 2, "n_iter": 20, "pgd_steps": 0, "n_queries": 0, "directions": 64, "checks": 8}


class Linear(Classifier):
    """W x."""

    def __init__(self, weight: Tensor) -> None:
        self.weight = weight

    def __call__(self, images: Tensor, rng: Generator) -> Tensor:
        return images.flatten(1) @ self.weight.T


class Wrapped(Classifier):
    """A net behind something that disturbs its gradient, and honest about none of it."""

    def __init__(self, inner: Classifier) -> None:
        self.inner = inner


class Rounded(Wrapped):
    """Rounds the images to 32 levels, so that the gradient is zero."""

    def __call__(self, images: Tensor, rng: Generator) -> Tensor:
        return self.inner((images * 31).round() / 31, rng)


class Saturated(Wrapped):
    """Scales the logits until the cross-entropy has no gradient in float32."""

    def __call__(self, images: Tensor, rng: Generator) -> Tensor:
        return 1e4 * self.inner(images, rng)


class Offering(Wrapped):
    """Random, and offers every route to a gradient; the surrogate answers with nonsense."""

    deterministic = False
    differentiable = False

    def __call__(self, images: Tensor, rng: Generator) -> Tensor:
        return self.inner(images, rng) + 0.01 * torch.randn(len(images), 1, generator=rng)

    def identity_stand_in(self) -> Classifier:
        return self

    def exact(self) -> Classifier:
        return self

    def surrogate(self) -> Classifier:
        return Saturated(self.inner)


def balanced() -> Tensor:
    """Weights (2, 24) between whose classes grey images lie."""
    weight = torch.randn(2, 24, generator=generator(1))
    return weight - weight.mean(1, keepdim=True)


def accuracy(classifier: Classifier, images: Tensor, labels: Tensor, draws: int = 1) -> float:
    """The share of right answers under seeds of the judge's own."""
    found = [classifier(images, generator(1000 + draw)).argmax(1) == labels for draw in range(draws)]
    return float(torch.stack(found).float().mean())


@pytest.mark.parametrize(("attack", "dual", "epsilon"), [(AdaptiveLinf, 1, 0.02), (AdaptiveL2, 2, 0.08)])
def test_every_sample_of_a_linear_classifier_gets_the_verdict_of_the_closed_form(
    attack: type[Adaptive], dual: float, epsilon: float
) -> None:
    weight = balanced()
    batch, budget = labelled(weight, 120), threat(attack.norm, str(epsilon))
    found = attack(**FAST).perturb(Victim(Linear(weight), generator(2)), batch, budget, generator())
    rival = (weight[1] - weight[0]).double()
    signs = torch.where(batch.labels == 0, 1.0, -1.0)
    left = -signs * (batch.images.double().flatten(1) @ rival) - epsilon * rival.norm(p=dual)
    survives = (found.images.flatten(1) @ weight.T).argmax(1) == batch.labels
    clear = left.abs() > 1e-3 * rival.norm()
    assert torch.equal(survives[clear], (left > 0)[clear])
    assert 20 < int(survives.sum()) < 100
    assert budget.admits(batch.images, found.images).all()


@pytest.mark.parametrize("attack", [AdaptiveLinf, AdaptiveL2])
def test_the_mean_over_draws_of_a_noisy_linear_classifier_is_that_of_the_closed_form(attack: type[Adaptive]) -> None:
    weight = balanced()
    batch, classifier = labelled(weight, 60), NoisyLinear(weight, 0.1)
    epsilon, dual = (0.02, 1) if attack is AdaptiveLinf else (0.08, 2)
    found = attack(**FAST).perturb(
        Victim(classifier, generator(2)), batch, threat(attack.norm, str(epsilon)), generator()
    )
    rival = (weight[1] - weight[0]).double()
    signs = torch.where(batch.labels == 0, 1.0, -1.0)
    left = -signs * (batch.images.double().flatten(1) @ rival) - epsilon * rival.norm(p=dual)
    analytic = float(torch.special.ndtr(left / (0.1 * rival.norm())).mean())
    assert accuracy(classifier, found.images, batch.labels, 200) == pytest.approx(analytic, abs=0.02)


def test_a_noisy_classifier_that_nothing_can_make_worse_keeps_its_accuracy() -> None:
    module = network(2)
    batch, classifier = batch_for(module, 200), Noisy(module, 40.0)
    before = accuracy(classifier, batch.images, batch.labels, 200)
    found = AdaptiveLinf(**{**FAST, "n_iter": 5}).perturb(
        Victim(classifier, generator(3)), batch, threat("linf", "1e-9"), generator()
    )
    assert 0.5 < before < 0.6
    assert accuracy(classifier, found.images, batch.labels, 200) == pytest.approx(before, abs=0.01)


def test_it_breaks_every_sample_that_autoattack_breaks_under_the_same_seed() -> None:
    module = network()
    batch, budget = batch_for(module, 24, wrong=2), threat("linf", "0.03")
    alone = AutoAttackLinf("custom", ("apgd-ce", "square"), n_iter=10, n_queries=50)

    class Quick(AdaptiveLinf):
        def _autoattack(self) -> AutoAttackLinf:
            return alone

    standard = alone.perturb(victim(module), batch, budget, generator(5)).images
    found = Quick(**FAST).perturb(victim(module), batch, budget, generator(5))
    broken, more = (module(images).argmax(1) != batch.labels for images in (standard, found.images))
    assert not bool((broken & ~more).any())
    assert 2 < int(more.sum()) < 24
    assert found.fell_to is not None
    assert [bool(name) for name in found.fell_to] == more.tolist()
    assert found.fell_to.count("clean") == 2


@pytest.mark.parametrize("hidden", [Rounded, Saturated])
def test_what_only_hides_the_gradient_adds_nothing(hidden: type[Wrapped]) -> None:
    module = network()
    batch, budget = batch_for(module, 40), threat("linf", "0.05")
    accuracies = []
    for classifier in (Network(module), hidden(Network(module))):
        run = AdaptiveLinf("standard", **{**FAST, "n_queries": 0})
        quick = type(
            "Quick", (AdaptiveLinf,), {"autoattack": lambda self: AutoAttackLinf("custom", ("apgd-ce",), n_iter=10)}
        )
        found = quick(**{**FAST, "n_iter": run.n_iter}).perturb(
            Victim(classifier, generator(2)), batch, budget, generator()
        )
        accuracies.append(accuracy(classifier, found.images, batch.labels))
    assert accuracies[0] < 0.7
    assert accuracies[1] <= accuracies[0] + 0.15  # the interval of 40 samples


def test_every_route_is_taken_and_seen() -> None:
    module = network()
    batch = batch_for(module, 6)
    attacked = Victim(Offering(Network(module)), generator(2))
    assert attacked.routes == ("given", "exact", "surrogate")
    found = AdaptiveLinf(**{**FAST, "n_iter": 3, "draws": 2}).perturb(
        attacked, batch, threat("linf", "0.01"), generator()
    )
    seen = attacked.observation()
    assert set(seen.gradients) == {"exact", "surrogate", "identity"}
    assert len(seen.noises) > 20
    assert "random, with a surrogate gradient" in found.remarks[0]


def test_a_route_that_is_not_offered_is_refused() -> None:
    with pytest.raises(UsageError, match="offers no surrogate gradient; it has given"):
        victim(network()).through("surrogate")


def test_draws_follow_from_the_variance_of_gradients() -> None:
    weight = torch.randn(2, 24, generator=generator(1))
    batch = labelled(weight, 8)
    for sigma, least, most in ((0.01, 2, 2), (3.0, 4, 16), (100.0, 16, 16)):
        classifier = NoisyLinear(weight, sigma, restless=True)
        count, share = draws_for(Victim(classifier, generator(2)), batch.images, batch.labels, margin, 16)
        assert least <= count <= most, (sigma, count, share)


def test_fixed_noise_is_drawn_once() -> None:
    module = network()
    images = batch_for(module, 4).images
    shared = Victim(Noisy(module, 1.0), generator(9), fixed_noise=True)
    first = shared(images)
    shared.redraw()
    assert torch.equal(first, shared(images))
    assert torch.equal(first, Noisy(module, 1.0)(images, generator(noise_seed(9))))


@pytest.mark.parametrize("name", list(LOSSES))
def test_losses_rise_as_the_true_class_falls_and_small_weights_are_left_out(name: str) -> None:
    logits = torch.tensor([[3.0, 1.0, 0.0, -9.0], [2.0, 1.0, 0.0, -9.0]])
    labels = torch.zeros(2, dtype=torch.int64)
    losses, weights = pull(LOSSES[name], logits, labels, 0.01)
    assert losses[1] > losses[0]
    assert weights[:, 0].lt(0).all()
    assert weights[:, 3].eq(0).all()


def test_checkpoints_come_closer() -> None:
    marks = sorted(checkpoints(100))
    assert marks[:4] == [22, 41, 57, 70]
    assert marks[-1] <= 100


@settings(max_examples=10, deadline=None)
@given(
    attack=st.sampled_from([AdaptiveLinf, AdaptiveL2]),
    count=st.integers(1, 4),
    channels=COLOURS,
    height=st.integers(2, 9),
    epsilon=EPSILONS,
    seed=SEEDS,
)
def test_proposals_stay_in_the_budget_and_follow_from_the_seed(
    attack: type[Adaptive], count: int, channels: int, height: int, epsilon: Fraction, seed: int
) -> None:
    module = network(channels=channels)
    batch = batch_for(module, count, channels, (height, height), wrong=1)
    quick = attack(**{**FAST, "n_iter": 3, "pgd_steps": 2, "n_queries": 4})
    assert_repeated(quick, module, batch, epsilon, seed, 1.0)


def test_a_batch_is_never_written_into() -> None:
    module = network()
    batch = batch_for(module, 5)
    before = Batch(batch.indices, batch.images.clone(), batch.labels.clone())
    AdaptiveLinf(**FAST).perturb(Victim(Noisy(module, 0.1), generator()), batch, threat("linf", "0.1"), generator())
    assert torch.equal(before.images, batch.images)
    assert torch.equal(before.labels, batch.labels)


def test_under_shared_noise_whole_batches_are_asked_about_and_the_judge_is_misled() -> None:
    module = network()
    batch, budget = batch_for(module, 12), threat("linf", "0.1")
    attacked = Victim(Noisy(module, 2.0), generator(9), fixed_noise=True)
    assert attacked.shares_noise
    found = AdaptiveLinf(**{**FAST, "pgd_steps": 5}).perturb(attacked, batch, budget, generator())
    sizes = attacked.observation().sizes
    assert sizes[12] > 0.9 * sum(sizes.values())
    judged = Noisy(module, 2.0)(found.images, generator(noise_seed(9))).argmax(1) != batch.labels
    named = [part != "" for part in found.fell_to or ()]
    assert judged.tolist() == named
    assert sum(named) > 6


def test_without_queries_square_is_left_out_of_autoattack_too() -> None:
    assert AdaptiveLinf(n_queries=0).autoattack() == AutoAttackLinf(
        "custom", ("apgd-ce", "apgd-t", "fab-t"), n_restarts=1, n_iter=100
    )
    assert AdaptiveLinf().autoattack() == AutoAttackLinf("standard", n_iter=100, n_queries=5000)
