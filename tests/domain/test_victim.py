from __future__ import annotations

import pytest
import torch

from bench import Classifier, Network, PluginError, Task, UsageError, Victim
from bench.domain.victim import check_logits
from tests.plugins import SHAPE, Hyperplane, NoisyHyperplane, Rounded

TASK = Task("halves", ("below", "above"), SHAPE)


class Squared(Classifier):
    """The hyperplane behind a purifier that squares, with an exact gradient."""

    def __init__(self, straight: bool = False) -> None:
        self.inner, self.straight = Hyperplane().load(TASK, "cpu"), straight

    def __call__(self, images: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
        purified = images.square()
        return self.inner(images + (purified - images).detach() if self.straight else purified, rng)

    def identity_stand_in(self) -> Classifier:
        return Squared(straight=True)


def rng() -> torch.Generator:
    return torch.Generator().manual_seed(11)


def test_every_forward_and_backward_pass_is_counted_in_samples() -> None:
    victim = Victim(Hyperplane().load(TASK, "cpu"), rng())
    images = torch.rand(6, *SHAPE)
    victim(images[:2])
    queried = images.requires_grad_()
    victim(queried).sum().backward()
    assert (victim.forwards, victim.backwards) == (8, 6)


def test_a_random_defense_is_one_function_until_the_attack_redraws() -> None:
    victim = Victim(NoisyHyperplane().load(TASK, "cpu"), rng())
    images = torch.rand(6, *SHAPE)
    first, second = victim(images), victim(images)
    victim.redraw()
    third = victim(images)
    assert torch.equal(first, second)
    assert not torch.equal(first, third)


def test_reseeding_the_global_generator_does_not_reach_a_defenses_noise() -> None:
    victim = Victim(NoisyHyperplane().load(TASK, "cpu"), rng())
    images = torch.rand(6, *SHAPE)
    first = victim(images)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        assert torch.equal(first, victim(images))


def test_a_stand_in_gives_its_gradient_and_leaves_the_logits_alone() -> None:
    classifier = Rounded().load(TASK, "cpu")
    images = torch.rand(4, *SHAPE, requires_grad=True)
    logits = Victim(classifier, rng())(images)
    logits[:, 1].sum().backward()
    expected = Hyperplane().load(TASK, "cpu")
    plain = images.detach().clone().requires_grad_()
    expected(plain, rng())[:, 1].sum().backward()
    assert torch.allclose(logits, classifier(images.detach(), rng()), atol=1e-6)
    assert images.grad is not None
    assert torch.equal(images.grad, plain.grad)  # type: ignore[arg-type]


def gradient(victim: Victim, images: torch.Tensor) -> torch.Tensor:
    queried = images.clone().requires_grad_()
    return torch.autograd.grad(victim(queried)[:, 1].sum(), queried)[0]


def test_bypassed_a_purifier_has_the_identity_s_gradient_and_a_plain_classifier_its_own() -> None:
    images = torch.rand(4, *SHAPE)
    for classifier in (Squared(), Hyperplane().load(TASK, "cpu"), Rounded().load(TASK, "cpu")):
        victim, plain = Victim(classifier, rng()), Victim(Hyperplane().load(TASK, "cpu"), rng())
        victim.bypass()
        assert torch.equal(gradient(victim, images), gradient(plain, images))
        assert victim.forwards == 4
    assert not torch.equal(gradient(Victim(Squared(), rng()), images), gradient(plain, images))


def test_a_defense_without_gradient_or_stand_in_names_the_way_out() -> None:
    victim = Victim(Rounded(has_stand_in=False).load(TASK, "cpu"), rng())
    victim(torch.rand(2, *SHAPE))
    with pytest.raises(UsageError, match="--source"):
        victim(torch.rand(2, *SHAPE, requires_grad=True))


@pytest.mark.parametrize(
    ("logits", "word"),
    [
        (torch.zeros(3, 2), "shape"),
        (torch.zeros(4), "shape"),
        (torch.zeros(4, 3), "shape"),
        (torch.zeros(4, 2, dtype=torch.int64), "floating"),
        (torch.tensor([[0.0, float("nan")]] * 4), "NaN"),
        ([0.0], "tensor"),
    ],
)
def test_logits_that_are_none_are_refused_with_what_came(logits: torch.Tensor, word: str) -> None:
    with pytest.raises(PluginError, match=word):
        check_logits(logits, 4, 2)


def test_a_network_cut_into_chunks_gives_the_same_logits_and_gradients() -> None:
    whole, cut = Hyperplane().load(TASK, "cpu"), Hyperplane().load(TASK, "cpu")
    images = torch.rand(9, *SHAPE)
    cut(images, rng())
    assert cut.shrink() == "chunks of 4 images"
    gradients = []
    for classifier in (whole, cut):
        queried = images.clone().requires_grad_()
        classifier(queried, rng()).square().sum().backward()
        gradients.append(queried.grad)
    assert torch.allclose(whole(images, rng()), cut(images, rng()))
    assert torch.allclose(*gradients)  # type: ignore[arg-type]


def test_a_network_of_one_image_cannot_shrink_further() -> None:
    network = Hyperplane().load(TASK, "cpu")
    network(torch.rand(1, *SHAPE), rng())
    assert isinstance(network, Network)
    assert network.shrink() is None
