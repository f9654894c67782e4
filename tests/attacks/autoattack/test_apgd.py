"""APGD's parts give every sample the library's verdict, with fewer passes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Generator, Tensor, nn

from attacks.autoattack.apgd import (
    Apgd,
    ApgdCeL1,
    ApgdCeL2,
    ApgdCeLinf,
    ApgdDlrL1,
    ApgdDlrL2,
    ApgdDlrLinf,
    ApgdTL1,
    ApgdTL2,
    ApgdTLinf,
)
from bench import Batch, Classifier, Network, UsageError, Victim
from tests.attacks.autoattack.reference import EPSILON, by_library, only
from tests.attacks.victims import Noisy, Recorded, batch_for, generator, linear, network, right, threat, victim, watched

UNTARGETED = [ApgdCeLinf, ApgdCeL2, ApgdCeL1, ApgdDlrLinf, ApgdDlrL2, ApgdDlrL1]
KINDS = [*UNTARGETED, ApgdTLinf, ApgdTL2, ApgdTL1]


class Recorder:
    """The library's model; keeps what every point of a single run looks like and how it is classified."""

    def __init__(self, module: Callable[[Tensor], Tensor]) -> None:
        self.module, self.passes = module, 0
        self.points: list[tuple[Tensor, Tensor]] = []

    def __call__(self, images: Tensor) -> Tensor:
        self.passes += len(images)
        logits = self.module(images)
        if images.requires_grad:
            self.points.append((images.detach().clone(), logits.detach().clone()))
        return logits


@pytest.mark.parametrize("kind", KINDS)
def test_the_verdict_of_every_sample_is_the_librarys_with_fewer_passes(kind: type[Apgd]) -> None:
    module = network(channels=3)
    batch, budget = batch_for(module, 12, channels=3, wrong=2), threat(kind.norm, EPSILON[kind.norm])
    recorder, attacked = Recorder(module), victim(module)
    theirs = by_library(kind.norm, recorder, batch, only(kind.name))
    ours = kind(n_iter=10).perturb(attacked, batch, budget, generator())
    broken = ~right(module, ours.images, batch.labels)
    assert torch.equal(broken, ~right(module, theirs, batch.labels))
    assert 2 < int(broken.sum()) < 12
    assert torch.equal(ours.images[~broken], theirs[~broken])
    assert budget.admits(batch.images, ours.images).all()
    assert ours.broken_at is not None
    assert torch.equal(ours.broken_at >= 0, broken)
    assert ours.broken_at[:2].tolist() == [0, 0]
    assert attacked.forwards < recorder.passes - 8 * 12  # the library's checks of its model


@pytest.mark.parametrize("kind", [ApgdCeLinf, ApgdCeL2, ApgdDlrLinf, ApgdDlrL2])
def test_a_sample_is_done_with_at_the_point_of_the_librarys_run_that_clearly_misleads(kind: type[Apgd]) -> None:
    module = network(channels=3)
    batch, budget = batch_for(module, 12, channels=3), threat(kind.norm, EPSILON[kind.norm])
    recorder = Recorder(module)
    by_library(kind.norm, recorder, batch, only(kind.name))
    ours = kind(n_iter=10).perturb(victim(module), batch, budget, generator())
    assert ours.broken_at is not None
    for row, label in enumerate(batch.labels.tolist()):
        wrong = [images[row] for images, logits in recorder.points if int(logits[row].argmax()) != label]
        first = [int(logits[row].argmax()) != label for _, logits in recorder.points]
        assert int(ours.broken_at[row]) == (first.index(True) + 1 if wrong else -1)
        assert not wrong or any(bool((ours.images[row] - image).abs().max() < 1e-6) for image in wrong[:2])


@pytest.mark.parametrize("kind", KINDS)
def test_a_budget_beyond_every_margin_ends_the_attack_at_once(kind: type[Apgd]) -> None:
    module = network()
    batch = batch_for(module, 6)
    attacked, budget = victim(module), threat(kind.norm, {"linf": "0.9", "l2": "6", "l1": "40"}[kind.norm])
    ours = kind().perturb(attacked, batch, budget, generator())
    assert not right(module, ours.images, batch.labels).any()
    assert attacked.forwards < (30 if kind.norm != "l1" else 6 * 62 + 30)  # in l1 two stages of 30 come first


def test_on_a_linear_classifier_the_verdict_of_every_sample_is_the_analytic_one() -> None:
    weight = torch.randn(2, 16, generator=generator(3))
    module = linear(weight)
    images = 0.3 + 0.4 * torch.rand(40, 1, 4, 4, generator=generator(4))
    logits = module(images)
    batch = Batch(tuple(range(40)), images, logits.argmax(1))
    rival = weight[0] - weight[1]
    reach = {"linf": rival.abs().sum(), "l2": rival.norm(), "l1": rival.abs().max()}
    for kind, epsilon in ((ApgdCeLinf, "0.025"), (ApgdCeL2, "0.08"), (ApgdCeL1, "0.16")):
        ours = kind(n_iter=20).perturb(victim(module), batch, threat(kind.norm, epsilon), generator())
        falls = (logits[:, 0] - logits[:, 1]).abs() < float(epsilon) * reach[kind.norm]
        assert torch.equal(right(module, ours.images, batch.labels), ~falls)
        assert 0 < int(falls.sum()) < 40


@pytest.mark.parametrize("kind", [ApgdCeLinf, ApgdDlrL2, ApgdTLinf, ApgdCeL1])
def test_a_sample_that_is_never_clearly_misclassified_keeps_the_librarys_image(kind: type[Apgd]) -> None:
    class Raised(nn.Module):
        """Logits beside which every margin is within a rounding error of lower precision."""

        def __init__(self) -> None:
            super().__init__()
            self.module = network()

        def forward(self, images: Tensor) -> Tensor:
            logits: Tensor = self.module(images) + 200
            return logits

    module = Raised()
    batch, budget = batch_for(module, 8), threat(kind.norm, EPSILON[kind.norm])
    theirs = by_library(kind.norm, module, batch, only(kind.name))
    ours = kind(n_iter=10).perturb(victim(module), batch, budget, generator()).images
    assert torch.equal(ours, theirs)
    assert not torch.equal(ours, batch.images)


@pytest.mark.parametrize(("kind", "draws"), [(ApgdCeLinf, 1), (ApgdDlrL2, 1), (ApgdCeL1, 1), (ApgdDlrLinf, 3)])
def test_of_a_random_classifier_all_images_are_the_librarys_bit_for_bit(kind: type[Apgd], draws: int) -> None:
    module = network()
    batch, budget = batch_for(module, 8), threat(kind.norm, EPSILON[kind.norm])
    attacked, direct = (Victim(Noisy(module, 0.02), generator()) for _ in range(2))
    ours = kind(n_iter=10, eot_iter=draws).perturb(attacked, batch, budget, generator())

    def model(images: Tensor) -> Tensor:
        if draws > 1:
            direct.redraw()
        return direct(images)

    part = kind(n_iter=10, eot_iter=draws)._part(kind.name, budget.radius, 10, seed(), "cpu")
    part.model = model
    with torch.random.fork_rng(devices=[]):
        theirs = part.perturb(batch.images, batch.labels)
    assert torch.equal(ours.images, theirs)
    assert attacked.forwards == direct.forwards + 1  # the number of classes
    assert 0 < int((ours.images != batch.images).flatten(1).any(1).sum()) < 8


def seed() -> int:
    """The seed that an attack draws from `generator()`."""
    return int(torch.randint(2**31, (), generator=generator()))


@pytest.mark.parametrize(
    ("kind", "classes", "instead"),
    [
        (ApgdDlrLinf, 2, ApgdCeLinf),
        (ApgdTL2, 2, ApgdCeL2),
        (ApgdTL1, 2, ApgdCeL1),
        (ApgdTLinf, 3, ApgdDlrLinf),
    ],
)
def test_too_few_classes_for_a_loss_get_the_next_simpler_one(
    kind: type[Apgd], classes: int, instead: type[Apgd]
) -> None:
    module = network(classes=classes)
    batch, budget = batch_for(module, 8, size=(7, 9)), threat(kind.norm, EPSILON[kind.norm])
    proposals = [k(n_iter=4, n_restarts=2).perturb(victim(module), batch, budget, generator()) for k in (kind, instead)]
    assert torch.equal(proposals[0].images, proposals[1].images)
    needed = 3 if classes == 2 else 4
    assert f"{kind.name} needs {needed} classes and there are {classes}: {instead.name} runs instead" in (
        proposals[0].remarks
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(1, 1, (1, 1)), (3, 1, (5, 3)), (4, 3, (12, 12))])
def test_any_size_of_image_and_number_of_samples_will_do(kind: type[Apgd], shape: tuple[int, int, Any]) -> None:
    count, channels, size = shape
    module = network(classes=4, channels=channels)
    batch, budget = batch_for(module, count, channels, size), threat(kind.norm, "0.3")
    assert budget.admits(batch.images, kind(n_iter=3).perturb(victim(module), batch, budget, generator()).images).all()


def test_a_batch_without_a_right_sample_is_not_attacked() -> None:
    module = network()
    batch, attacked = batch_for(module, 3, wrong=3), victim(module)
    ours = ApgdCeLinf().perturb(attacked, batch, threat("linf", "0.1"), generator())
    assert torch.equal(ours.images, batch.images)
    assert attacked.forwards == 4


def test_more_draws_are_drawn_anew_and_one_keeps_the_noise_of_the_prediction() -> None:
    recorded = Recorded(network(), 0.02)
    batch, budget = batch_for(recorded.module, 4), threat("linf", "0.02")
    ApgdCeLinf(n_iter=3).perturb(Victim(recorded, generator()), batch, budget, generator())
    assert len(set(recorded.seeds)) == 1
    recorded.seeds.clear()
    ApgdCeLinf(n_iter=3, eot_iter=4).perturb(Victim(recorded, generator()), batch, budget, generator())
    assert len(set(recorded.seeds)) == len(recorded.seeds) == 1 + 1 + 4 * 4


@pytest.mark.parametrize("kind", [ApgdCeLinf, ApgdTL2, ApgdCeL1])
def test_progress_tells_the_robust_samples_that_are_left(kind: type[Apgd]) -> None:
    module = network()
    batch = batch_for(module, 8)
    attacked, seen = watched(Network(module))
    attack = kind(n_iter=10)
    ours = attack.perturb(attacked, batch, threat(kind.norm, EPSILON[kind.norm]), generator())
    done, totals, notes = zip(*seen, strict=True)
    runs = attack.n_restarts * getattr(attack, "n_target_classes", 1)
    assert list(done) == list(range(1, runs * (13 if kind.norm == "l1" else 11) + 1))
    assert set(totals) == {done[-1]}
    assert ours.broken_at is not None
    assert notes[-1] == f"{kind.name}, {int((ours.broken_at < 0).sum())} robust samples left"


def test_without_a_gradient_the_attack_is_refused() -> None:
    class Blind(Classifier):
        """No gradient, no stand-in."""

        differentiable = False

        def __call__(self, images: Tensor, rng: Generator) -> Tensor:
            logits: Tensor = module(images)
            return logits

    module = network()
    with pytest.raises(UsageError, match="has no gradient"):
        ApgdCeLinf().perturb(Victim(Blind(), generator()), batch_for(module, 2), threat("linf", "0.1"), generator())
