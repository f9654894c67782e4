"""Square's images are the library's bit for bit, and it tells which query broke a sample."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from attacks.autoattack import recall
from attacks.autoattack.recall import Recall
from attacks.autoattack.square import Square, SquareL1, SquareL2, SquareLinf
from bench import Batch, Network, UsageError, Victim
from tests.attacks.autoattack.reference import EPSILON, by_library, only
from tests.attacks.victims import Forgotten, Noisy, batch_for, generator, network, threat, victim, watched

KINDS = [SquareLinf, SquareL2, SquareL1]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("restarts", [1, 3])
def test_the_images_are_the_librarys_bit_for_bit(kind: type[Square], restarts: int) -> None:
    module = network(channels=3)
    batch, budget = batch_for(module, 12, channels=3, wrong=2), threat(kind.norm, EPSILON[kind.norm])
    set_up = only("square", lambda adversary: setattr(adversary.square, "n_restarts", restarts))
    theirs = by_library(kind.norm, module, batch, set_up)
    attacked = victim(module)
    ours = kind(n_queries=60, n_restarts=restarts).perturb(attacked, batch, budget, generator())
    assert torch.equal(ours.images, theirs.clamp(0, 1) if kind.norm == "l1" else theirs)
    assert budget.admits(batch.images, ours.images).all()
    broken = module(ours.images).argmax(1) != batch.labels
    assert 2 < int(broken.sum()) < 12
    assert ours.broken_at is not None
    assert torch.equal(ours.broken_at >= 0, broken)
    assert ours.broken_at[:2].tolist() == [0, 0]
    assert attacked.forwards < 61 * restarts * 10


@pytest.mark.parametrize("kind", KINDS)
def test_the_query_that_broke_a_sample_is_told(kind: type[Square]) -> None:
    module = network()
    batch, budget = batch_for(module, 1), threat(kind.norm, {"linf": "0.3", "l2": "2", "l1": "12"}[kind.norm])
    attacked = Victim(Forgotten(module), generator(1))
    ours = kind(n_queries=300).perturb(attacked, batch, budget, generator())
    assert ours.broken_at is not None
    about_it = 3  # the number of classes, the clean image, the image proposed
    assert int(ours.broken_at) == attacked.forwards - about_it > 0


@pytest.mark.parametrize("kind", KINDS)
def test_an_image_is_not_asked_about_twice(kind: type[Square]) -> None:
    """A sample that no square improves any more is asked about the same few images again and again."""
    module = network(classes=3)
    batch, budget = (
        batch_for(module, 6, size=(5, 5)),
        threat(kind.norm, {"linf": "0.1", "l2": "0.3", "l1": "1"}[kind.norm]),
    )
    remembering, forgetful = victim(module), Victim(Forgotten(module), generator(1))
    ours, plain = (kind(n_queries=500).perturb(one, batch, budget, generator()) for one in (remembering, forgetful))
    assert torch.equal(ours.images, plain.images)
    assert ours.broken_at is not None
    assert plain.broken_at is not None
    assert torch.equal(ours.broken_at, plain.broken_at)
    share = {"linf": 0.4, "l2": 0.98, "l1": 0.999}[kind.norm]
    assert 0 < remembering.forwards < share * forgetful.forwards


def test_of_many_images_the_last_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recall, "ENTRIES", 4)
    asked: list[int] = []

    def model(images: Tensor) -> Tensor:
        asked.extend(images.flatten().tolist())
        return torch.cat([images.flatten(1), -images.flatten(1)], 1)

    remembering = Recall(model)
    for question, unknown in [
        ([1, 2, 3], [1, 2, 3]),
        ([3, 4, 1], [4]),
        ([5, 1, 5], [5, 5]),  # takes the places of 1 and 2
        ([2, 4, 5], [2]),  # that of 3
        ([1, 2, 3, 4, 5, 6], [1, 3, 6]),
    ]:
        asked.clear()
        images = torch.tensor(question, dtype=torch.float32).view(-1, 1, 1, 1)
        logits = remembering(images)
        assert torch.equal(logits, torch.cat([images.flatten(1), -images.flatten(1)], 1))
        logits.fill_(-1)  # as the library writes into what it gets
        assert asked == unknown


def test_samples_that_meet_the_boundary_exactly_are_robust() -> None:
    class Level(nn.Module):
        """Two classes; away from the clean images neither leads."""

        def forward(self, images: Tensor) -> Tensor:
            clean = (images == 0.5).flatten(1).all(1)
            return torch.stack([clean.float(), torch.zeros(len(images))], 1)

    batch = Batch((0, 1), torch.full((2, 1, 8, 8), 0.5), torch.zeros(2, dtype=torch.int64))
    ours = SquareLinf(n_queries=20).perturb(victim(Level()), batch, threat("linf", "0.1"), generator())
    assert torch.equal(ours.images, batch.images)
    assert ours.broken_at is not None
    assert ours.broken_at.tolist() == [-1, -1]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("size", "channels"), [((5, 5), 3), ((7, 9), 1), ((16, 16), 1), ((32, 32), 3), ((6, 3), 2)])
def test_any_size_of_image_that_the_library_can_tile_will_do(
    kind: type[Square], size: tuple[int, int], channels: int
) -> None:
    module = network(classes=2, channels=channels)
    batch, budget = batch_for(module, 3, channels, size), threat(kind.norm, EPSILON[kind.norm])
    ours = kind(n_queries=10).perturb(victim(module), batch, budget, generator())
    assert budget.admits(batch.images, ours.images).all()


@pytest.mark.parametrize(
    ("size", "sentence"), [((4, 9), "needs images 5 pixels high"), ((12, 12), "tiles of 2x2 pixels")]
)
def test_other_sizes_are_refused_but_in_linf(size: tuple[int, int], sentence: str) -> None:
    module = network()
    batch = batch_for(module, 2, size=size)
    for kind in (SquareL2, SquareL1):
        with pytest.raises(UsageError, match=sentence):
            kind().perturb(victim(module), batch, threat(kind.norm, "1"), generator())
    SquareLinf(n_queries=5).perturb(victim(module), batch, threat("linf", "0.1"), generator())


def test_a_random_classifier_is_queried_under_the_noise_of_its_prediction() -> None:
    module = network()
    batch, budget = batch_for(module, 8), threat("linf", EPSILON["linf"])
    theirs = by_library("linf", Victim(Noisy(module, 0.05), generator()), batch, only("square"))
    ours = SquareLinf(n_queries=60).perturb(Victim(Noisy(module, 0.05), generator()), batch, budget, generator())
    assert torch.equal(ours.images, theirs)
    assert not torch.equal(ours.images, batch.images)


def test_a_batch_without_a_right_sample_is_not_attacked() -> None:
    module = network()
    batch, attacked = batch_for(module, 3, wrong=3), victim(module)
    ours = SquareL2().perturb(attacked, batch, threat("l2", "1"), generator())
    assert torch.equal(ours.images, batch.images)
    assert attacked.forwards == 4


def test_progress_tells_the_robust_samples_that_are_left() -> None:
    module = network()
    attacked, seen = watched(Network(module))
    attack = SquareLinf(n_queries=500, n_restarts=2)
    attack.perturb(attacked, batch_for(module, 4), threat("linf", "1/1000000"), generator())
    done, totals, notes = zip(*seen, strict=True)
    assert list(done) == sorted(done)
    assert set(totals) == {1002}
    assert done[-1] >= 1000
    assert set(notes) == {"square, 4 robust samples left"}
    assert len(seen) <= 502
