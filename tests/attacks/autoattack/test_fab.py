"""FAB's images are the library's bit for bit, and its nearest ones are as near as geometry allows."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from attacks.autoattack.fab import Fab, FabL1, FabL2, FabLinf, FabTL1, FabTL2, FabTLinf
from bench import Batch, Network, Victim
from tests.attacks.autoattack.reference import EPSILON, by_library, only
from tests.attacks.victims import Noisy, batch_for, generator, linear, network, threat, victim, watched

KINDS = [FabLinf, FabL2, FabL1, FabTLinf, FabTL2, FabTL1]


def distances(attack: Fab, batch: Batch, images: Tensor) -> Tensor:
    """How far images are in the attack's norm."""
    return threat(attack.norm, "1").distance(batch.images, images)


@pytest.mark.parametrize("kind", KINDS)
def test_the_images_are_the_librarys_bit_for_bit(kind: type[Fab]) -> None:
    module = network(channels=3)
    batch, budget = batch_for(module, 10, channels=3, wrong=2), threat(kind.norm, EPSILON[kind.norm])
    theirs = by_library(kind.norm, module, batch, only(kind.name))
    ours = kind(n_iter=10).perturb(victim(module), batch, budget, generator())
    assert torch.equal(ours.images, theirs)
    assert budget.admits(batch.images, ours.images).all()
    assert 0 < int((ours.images != batch.images).flatten(1).any(1).sum()) < 8


@pytest.mark.parametrize("kind", [FabLinf, FabL2, FabL1])
def test_restarts_draw_what_the_librarys_draw(kind: type[Fab]) -> None:
    module = network()
    batch, budget = batch_for(module, 10), threat(kind.norm, EPSILON[kind.norm])
    theirs = by_library(
        kind.norm, module, batch, only("fab", lambda adversary: setattr(adversary.fab, "n_restarts", 3))
    )
    ours = kind(n_iter=10, n_restarts=3).perturb(victim(module), batch, budget, generator()).images
    assert torch.equal(ours, theirs)
    assert 0 < int((ours != batch.images).flatten(1).any(1).sum()) < 10


@pytest.mark.parametrize("kind", KINDS)
def test_on_a_linear_classifier_the_nearest_image_lies_on_the_boundary(kind: type[Fab]) -> None:
    weight = torch.randn(4, 16, generator=generator(3))
    module = linear(weight)
    images = 0.45 + 0.1 * torch.rand(30, 1, 4, 4, generator=generator(4))
    logits = module(images)
    batch = Batch(tuple(range(30)), images, logits.argmax(1))
    normals = weight[batch.labels][:, None] - weight
    dual = {"linf": normals.abs().sum(2), "l2": normals.norm(dim=2), "l1": normals.abs().amax(2)}[kind.norm]
    gaps = logits.gather(1, batch.labels[:, None]) - logits
    analytic = (gaps / dual).scatter(1, batch.labels[:, None], torch.inf).amin(1)
    attack = kind(n_iter=30)
    ours = attack.perturb(victim(module), batch, threat(kind.norm, "1/1000000"), generator())
    assert ours.closest is not None
    assert bool((module(ours.closest).argmax(1) != batch.labels).all())
    ratio = distances(attack, batch, ours.closest) / analytic
    assert float(ratio.min()) > 1 - 1e-5
    assert float(ratio.max()) < 1.01
    assert torch.equal(ours.images, batch.images)


@pytest.mark.parametrize("kind", KINDS)
def test_the_nearest_images_do_not_depend_on_the_budget(kind: type[Fab]) -> None:
    module = network()
    batch, attack = batch_for(module, 8, wrong=1), kind(n_iter=6)
    narrow, wide = (
        attack.perturb(victim(module), batch, threat(kind.norm, epsilon), generator())
        for epsilon in ("1/1000", "30" if kind.norm == "l1" else "1")
    )
    assert narrow.closest is not None
    assert wide.closest is not None
    assert torch.allclose(narrow.closest, wide.closest, atol=1e-5)
    assert torch.equal(narrow.images, batch.images)
    assert torch.equal(wide.closest[0], batch.images[0])
    within = distances(attack, batch, wide.images)
    assert bool((distances(attack, batch, wide.closest) <= within + 1e-6).all())
    assert bool((within[1:] > 0).all())


@pytest.mark.parametrize("kind", [FabLinf, FabL2, FabL1])
def test_the_nearest_images_tell_the_verdict_at_every_budget(kind: type[Fab]) -> None:
    module = network()
    batch, attack = batch_for(module, 8), kind(n_iter=10)
    nearest = attack.perturb(victim(module), batch, threat(kind.norm, "1"), generator()).closest
    assert nearest is not None
    for share in ("1/2", "1", "2"):
        epsilon = threat(kind.norm, EPSILON[kind.norm]).epsilon * threat("l2", share).epsilon
        images = attack.perturb(victim(module), batch, threat(kind.norm, str(epsilon)), generator()).images
        broken = (images != batch.images).flatten(1).any(1)
        assert torch.equal(broken, distances(attack, batch, nearest) <= float(epsilon))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("classes", [2, 3, 12])
def test_any_number_of_classes_and_size_of_image_will_do(kind: type[Fab], classes: int) -> None:
    module = network(classes=classes, channels=3)
    batch, budget = batch_for(module, 3, channels=3, size=(5, 3)), threat(kind.norm, "0.3")
    ours = kind(n_iter=4).perturb(victim(module), batch, budget, generator())
    assert ours.closest is not None
    assert budget.admits(batch.images, ours.images).all()
    assert threat(kind.norm, "1" if kind.norm == "linf" else "1000").admits(batch.images, ours.closest).all()


@pytest.mark.parametrize("wrong", [0, 1])
def test_a_single_sample_is_attacked_if_it_is_right(wrong: int) -> None:
    module = network()
    batch, attacked = batch_for(module, 1, wrong=wrong), victim(module)
    ours = FabTL2(n_iter=5).perturb(attacked, batch, threat("l2", "5"), generator())
    assert ours.closest is not None
    assert torch.equal(ours.images, batch.images) == torch.equal(ours.closest, batch.images) == bool(wrong)
    assert attacked.forwards == (2 if wrong else 2 + 9 * 13)


def test_a_random_classifier_is_attacked_under_the_noise_of_its_prediction() -> None:
    module = network()
    batch, budget = batch_for(module, 8), threat("linf", EPSILON["linf"])
    direct = Victim(Noisy(module, 0.02), generator())
    theirs = by_library("linf", direct, batch, only("fab"))
    ours = FabLinf(n_iter=10).perturb(Victim(Noisy(module, 0.02), generator()), batch, budget, generator())
    assert torch.equal(ours.images, theirs)


@pytest.mark.parametrize("kind", [FabLinf, FabTL2])
def test_progress_runs_to_its_total_and_tells_the_robust_samples_that_are_left(kind: type[Fab]) -> None:
    module = network()
    batch = batch_for(module, 8)
    attacked, seen = watched(Network(module))
    attack = kind(n_iter=10)
    attack.perturb(attacked, batch, threat(kind.norm, EPSILON[kind.norm]), generator())
    done, totals, notes = zip(*seen, strict=True)
    assert list(done) == sorted(done)
    assert set(totals) == {attacked.forwards - 1 - 8}
    assert 0.99 * totals[0] <= done[-1] <= totals[0]
    assert notes[0] == f"{kind.name}, 8 robust samples left"
    assert kind is FabLinf or notes[-1].startswith("fab-t, nearest images of ")
