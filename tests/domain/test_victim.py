from __future__ import annotations

import weakref
from collections.abc import Sequence
from fractions import Fraction

import pytest
import torch

from attacks.parts.ascent import ascend
from bench import Batch, Classifier, Network, PluginError, Task, ThreatModel, UsageError, Victim
from bench.domain.queries.asking import ask, check_logits
from bench.domain.queries.observation import Observation, Query
from bench.domain.queries.spending import Hourglass, Ledger
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
    assert torch.equal(logits.detach(), classifier(images.detach(), rng()))
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


def observed(classifier: Classifier, bypassed: bool = False) -> Observation:
    """What is seen of an attack that looks twice and takes one gradient."""
    victim, images = Victim(classifier, rng(), audits=8), torch.rand(4, *SHAPE)
    if bypassed:
        victim.bypass()
    victim(images)
    gradient(victim, images)
    return victim.observation()


def test_whose_gradient_it_was_is_observed() -> None:
    plain = Hyperplane().load(TASK, "cpu")
    assert observed(plain).gradients == observed(plain, bypassed=True).gradients == {"own": 1}
    assert observed(Squared()).gradients == {"own": 1}
    assert observed(Squared(), bypassed=True).gradients == {"identity": 1}
    assert observed(Rounded().load(TASK, "cpu")).gradients == {"stand-in": 1}


def test_a_gradient_that_nobody_takes_is_none() -> None:
    victim, images = Victim(Hyperplane().load(TASK, "cpu"), rng()), torch.rand(4, *SHAPE, requires_grad=True)
    victim(images)
    seen = victim.observation()
    assert (seen.queries, seen.backwards, seen.gradients) == (1, 0, {})


def test_noise_that_gradients_are_taken_under_is_counted_by_its_draws() -> None:
    victim, images = Victim(NoisyHyperplane().load(TASK, "cpu"), rng()), torch.rand(4, *SHAPE)
    gradient(victim, images)
    gradient(victim, images)
    assert len(victim.observation().noises) == 1
    victim.redraw()
    gradient(victim, images)
    assert len(victim.observation().noises) == 2


def test_rows_whose_gradient_is_zero_are_counted_among_those_that_were_asked_for_one() -> None:
    class Flat(Classifier):
        """Has no slope for the first image."""

        def __call__(self, images: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
            rising = torch.tensor([0.0, 1.0, 1.0]).view(3, 1) * images.flatten(1).sum(1, keepdim=True)
            return torch.cat([rising, -rising], 1)

    victim, images = Victim(Flat(), rng()), torch.rand(3, *SHAPE, requires_grad=True)
    torch.autograd.grad(victim(images)[:2, 0].sum(), images)
    assert victim.observation().zero_gradients == 0.5


def test_kept_queries_hold_what_was_asked_and_answered_in_memory_of_their_own() -> None:
    victim = Victim(Hyperplane().load(TASK, "cpu"), rng(), audits=8)
    images = torch.rand(4, *SHAPE)
    shown, weights = images.clone().requires_grad_(), torch.tensor([2.0, -1.0])
    logits = victim(shown)
    (slope,) = torch.autograd.grad((logits @ weights).sum(), shown)
    with torch.no_grad():
        shown.zero_()
    (query,) = victim.observation().audits()
    assert torch.equal(query.images, images)
    assert torch.equal(query.logits, logits.detach())
    assert query.cotangent is not None
    assert query.gradient is not None
    assert torch.equal(query.cotangent, weights.expand(4, 2))
    assert torch.equal(query.gradient, slope)
    again = ask(Hyperplane().load(TASK, "cpu"), query.images, torch.Generator().manual_seed(query.seed))
    assert torch.equal(again, query.logits)


def test_every_query_is_as_likely_to_be_kept() -> None:
    kept = [0] * 30
    for seed in range(300):
        seen = Observation(seed, 3)
        for number in range(30):
            place = seen.place()
            if place is not None:
                seen.keep(place, Query(torch.tensor([number]), 0, torch.zeros(1, 2)))
        audits = seen.audits()
        assert len(audits) == 3
        for query in audits:
            kept[int(query.images)] += 1
    assert min(kept) > 10  # of 30 expected
    assert max(kept) < 55


@pytest.mark.parametrize("hidden", [False, True])
@pytest.mark.parametrize("asks", [False, True])
def test_a_defense_that_writes_into_its_input_is_told_so(hidden: bool, asks: bool) -> None:
    class Writing(Classifier):
        def __call__(self, images: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
            written = images.detach()
            (written.data if hidden else written).mul_(0.5)
            return Hyperplane().load(TASK, "cpu")(images, rng)

    victim = Victim(Writing(), rng(), audits=1, name="mine")
    with pytest.raises(PluginError, match=r"mine wrote into the images.*copy") as raised:
        victim(torch.rand(2, *SHAPE, requires_grad=asks))
    assert raised.value.culprit == "mine"


def test_a_defense_cannot_tell_an_attack_that_wants_no_gradient_from_a_judge() -> None:
    modes: list[tuple[bool, bool, bool]] = []

    class Looking(Classifier):
        def __call__(self, images: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
            modes.append((torch.is_grad_enabled(), torch.is_inference_mode_enabled(), images.is_inference()))
            return Hyperplane().load(TASK, "cpu")(images, rng)

    victim, images = Victim(Looking(), rng(), audits=1), torch.rand(2, *SHAPE)
    ask(Looking(), images, rng())
    victim(images)
    with torch.no_grad():
        victim(images)
    with torch.inference_mode():
        assert torch.equal(victim(images.clone()), victim(images))
    assert set(modes) == {(True, False, False)}


def test_logits_of_a_query_without_a_gradient_hang_on_no_graph() -> None:
    class Unfrozen(Classifier):
        def __init__(self) -> None:
            self.weight = torch.ones(16, 2, requires_grad=True)

        def __call__(self, images: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
            return images.flatten(1) @ self.weight

    assert not Victim(Unfrozen(), rng())(torch.rand(2, *SHAPE)).requires_grad
    assert not Victim(Hyperplane().load(TASK, "cpu"), rng())(torch.rand(2, *SHAPE)).requires_grad


def test_what_was_asked_and_answered_is_let_go_with_the_attack_s_own_tensors() -> None:
    victim, held = Victim(Hyperplane().load(TASK, "cpu"), rng(), audits=8), []
    for _ in range(3):
        images = torch.rand(2, *SHAPE, requires_grad=True)
        logits = victim(images)
        torch.autograd.grad(logits.sum(), images)
        held += [weakref.ref(images), weakref.ref(logits)]
        del images, logits
    assert [reference for reference in held if reference() is not None] == []


class Gathering(Classifier):
    """Noise a call, up to three draws of which are answered at once, and how often that was asked for."""

    deterministic = False

    def __init__(self) -> None:
        self.inner, self.groups = Hyperplane().load(TASK, "cpu"), list[int]()

    def __call__(self, images: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
        logits = self.inner(images, rng)
        return logits + torch.randn(logits.shape[1], generator=rng) * logits

    def at_once(self, count: int) -> int:
        return 3

    def together(self, images: Sequence[torch.Tensor], rngs: Sequence[torch.Generator]) -> list[torch.Tensor]:
        self.groups.append(len(rngs))
        return super().together(images, rngs)


def climbed(victim: Victim, draws: int) -> tuple[torch.Tensor, torch.Tensor]:
    images = torch.rand(4, *SHAPE, generator=rng())
    return ascend(victim, images, torch.zeros(4, dtype=torch.int64), draws)


def test_draws_that_are_asked_about_together_are_those_of_one_by_one_and_counted_alike() -> None:
    together, apart = Gathering(), Gathering()
    apart.at_once = lambda count: 1  # type: ignore[method-assign]
    victims = [Victim(each, rng(), audits=8) for each in (together, apart)]
    found = [climbed(victim, 7) for victim in victims]
    assert (together.groups, apart.groups) == ([3, 2, 2], [])
    torch.testing.assert_close(found[0], found[1])
    first, second = (victim.observation() for victim in victims)
    assert (first.forwards, first.backwards, first.queries) == (28, 28, 7)
    for name in ("forwards", "backwards", "queries", "sizes", "gradients", "noises", "zero_gradients"):
        assert getattr(first, name) == getattr(second, name), name
    for one, other in zip(first.audits(), second.audits(), strict=True):
        assert one.seed == other.seed
        torch.testing.assert_close(
            (one.images, one.logits, one.cotangent, one.gradient),
            (other.images, other.logits, other.cotangent, other.gradient),
        )


def test_draws_are_asked_about_one_by_one_where_passes_are_limited_or_noise_is_shared() -> None:
    images = torch.rand(4, *SHAPE, generator=rng())
    batch, threat = Batch((0, 1, 2, 3), images, torch.zeros(4, dtype=torch.int64)), ThreatModel("linf", Fraction(1, 10))
    ledger = Ledger(batch, threat, 100)
    for victim in (
        Victim(Gathering(), rng(), ledger=ledger),
        Victim(Gathering(), rng(), ledger=Hourglass(lambda: 60.0, ledger)),
        Victim(Gathering(), rng(), fixed_noise=True),
    ):
        climbed(victim, 4)
        assert (victim.classifier.groups, victim.forwards) == ([], 16)
    unlimited = Victim(Gathering(), rng(), ledger=Hourglass(lambda: 60.0))
    climbed(unlimited, 4)
    assert unlimited.classifier.groups == [2, 2]


def test_a_classifier_that_does_not_answer_every_draw_is_named() -> None:
    model = Gathering()
    model.together = lambda images, rngs: [model(images[0], rngs[0])]  # type: ignore[method-assign]
    with pytest.raises(PluginError, match="a list of 3 tensors"):
        Victim(model, rng()).together(torch.rand(4, *SHAPE), 3)
