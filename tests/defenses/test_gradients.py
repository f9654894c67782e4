"""Whose gradient a defense gives, as the victim sees it, and how often its networks are asked for it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Generator, Tensor

from bench import Classifier, Network, Victim
from bench.datasets.digits import TASK, Digits
from bench.domain.facts import Gradient
from bench.domain.queries.asking import ask
from bench.plugins.registry import defenses
from defenses.adp import ADP
from defenses.diffpure import DiffPure
from defenses.jem import JEM
from defenses.parts.diffusion.denoiser import Denoiser
from defenses.parts.diffusion.noise_errors import Chunks
from defenses.parts.gradients import differentiable, straight_through, with_a_gradient
from defenses.parts.purification.ascent import Ascent, ScorePurified
from defenses.parts.purification.purified import Purified
from defenses.rdc import RDC
from tests.defenses.purification.test_diffpure import Halves, purified, tiny
from tests.defenses.tiny import images, rng


class Counter:
    """Counts the rows that go through a classifier's networks."""

    def __init__(self, classifier: Classifier) -> None:
        self.rows = 0
        for network in _networks(classifier):
            network.register_forward_pre_hook(self._count)

    def _count(self, module: torch.nn.Module, inputs: tuple[Tensor, ...]) -> None:
        self.rows += len(inputs[0])

    def during(self, classifier: Classifier, shown: Tensor) -> int:
        """The rows of the forward pass of one query."""
        self.rows = 0
        Victim(classifier, rng())(shown)
        return self.rows


def _networks(part: object) -> list[torch.nn.Module]:
    """Every network inside a classifier, a purifier or a denoiser."""
    if isinstance(part, torch.nn.Module):
        return [part]
    inner = vars(part).values() if isinstance(part, Classifier | Denoiser) or hasattr(part, "__dict__") else ()
    found = {id(net): net for value in inner if not isinstance(value, Tensor | type) for net in _networks(value)}
    return list(found.values())


def gradient_source(classifier: Classifier, shown: Tensor, bypass: bool = False) -> dict[Gradient, int]:
    """What the victim recorded of one gradient."""
    victim, leaf = Victim(classifier, rng()), shown.clone().requires_grad_(True)
    if bypass:
        victim.bypass()
    torch.autograd.grad(victim(leaf)[:, 0].sum(), leaf)
    return victim.observation().gradients


def digits(count: int = 3) -> Tensor:
    return Digits().load("test", None).read(range(count)).images


CASES: list[tuple[Any, Gradient]] = [
    (RDC(levels=3), "identity"),
    (ADP(draws=2), "identity"),
    (JEM(refine=3), "identity"),
    (JEM(), "own"),
    (ADP(draws=2, gradient="exact"), "own"),
    (DiffPure(steps=4), "own"),
    (DiffPure(steps=4, surrogate=2), "stand-in"),
]


@pytest.mark.parametrize(("defense", "source"), CASES, ids=lambda value: str(value)[:40])
def test_the_victim_records_whose_gradient_it_is(defense: Any, source: Gradient) -> None:
    classifier = defense.load(TASK, "cpu")
    assert gradient_source(classifier, digits()) == {source: 1}
    assert classifier.differentiable == (source == "own")


@pytest.mark.parametrize("defense", [case for case, source in CASES if source == "identity"], ids=str)
def test_a_straight_gradient_asks_the_networks_as_often_as_a_prediction_does(defense: Any) -> None:
    classifier, shown = defense.load(TASK, "cpu"), digits()
    counter = Counter(classifier)
    predicted = counter.during(classifier, shown)
    assert predicted > 0
    assert counter.during(classifier, shown.clone().requires_grad_(True)) == predicted


def test_a_surrogate_of_fewer_steps_is_asked_besides_the_purifier() -> None:
    classifier, shown = DiffPure(steps=4, surrogate=2).load(TASK, "cpu"), digits()
    counter = Counter(classifier)
    predicted = counter.during(classifier, shown)
    assert predicted == 3 * (4 + 1)
    assert counter.during(classifier, shown.clone().requires_grad_(True)) == predicted + 3 * (2 + 1)


@pytest.mark.parametrize("defense", [case for case, _ in CASES], ids=str)
@pytest.mark.parametrize("bypass", [False, True])
def test_logits_are_those_of_the_prediction_to_the_bit_whatever_the_gradient(defense: Any, bypass: bool) -> None:
    classifier, shown = defense.load(TASK, "cpu"), digits()
    victim = Victim(classifier, rng())
    if bypass:
        victim.bypass()
    logits = victim(shown.clone().requires_grad_(True))
    assert torch.equal(logits.detach(), Victim(classifier, rng())(shown))


def test_straight_through_keeps_values_however_far_the_slopes_are_and_passes_the_gradient() -> None:
    slopes, values = torch.tensor([3e7, -1e9], requires_grad=True), torch.tensor([0.1, 0.7])
    found = straight_through(values, slopes)
    assert torch.equal(found, values)
    found.sum().backward()
    assert slopes.grad is not None
    assert slopes.grad.tolist() == [1.0, 1.0]


class Stepped(Classifier):
    """A classifier without a gradient that lends another's; it refuses the darkest images."""

    differentiable = False
    abstains = True

    def __call__(self, images: Tensor, rng: Generator) -> Tensor:
        logits = Halves()((images * 8).round() / 8, rng)
        return torch.cat([logits, logits[:, :1] - 0.4], 1)

    def stand_in(self) -> Classifier:
        return Halves()


def before(classifier: Classifier, kind: str) -> Classifier:
    """The classifier behind a purifier."""
    if kind == "diffusion":
        return Purified(purified(3).purifier, classifier)
    ascent = Ascent(tiny(torch.float32), 0.25, 3, 0.2, 1e-3)
    return ScorePurified(ascent, classifier, 0.1, 2, Chunks(8, 8, 1), "identity" if kind == "straight" else "exact")


@pytest.mark.parametrize("kind", ["diffusion", "score", "straight"])
def test_a_classifier_without_a_gradient_keeps_its_logits_behind_a_purifier_too(kind: str) -> None:
    inner = Stepped() if kind == "diffusion" else _Plain()
    whole, shown = before(inner, kind), images(4, (1, 8, 8))
    predicted = Victim(whole, rng())(shown)
    assert not whole.differentiable
    assert gradient_source(whole, shown) == {"identity" if kind == "straight" else "stand-in": 1}
    assert gradient_source(whole, shown, bypass=True) == {"identity": 1}
    for bypass in (False, True):
        victim, leaf = Victim(whole, rng()), shown.clone().requires_grad_(True)
        if bypass:
            victim.bypass()
        logits = victim(leaf)
        assert torch.equal(logits.detach(), predicted)
        (gradient,) = torch.autograd.grad(logits[:, 0].sum(), leaf)
        assert float(gradient.abs().sum()) > 0


class _Plain(Stepped):
    abstains = False

    def __call__(self, images: Tensor, rng: Generator) -> Tensor:
        return super().__call__(images, rng)[:, :2]


def test_what_has_no_gradient_at_all_lends_none() -> None:
    class Hard(Stepped):
        def stand_in(self) -> None:  # type: ignore[override]  # that is the case
            return None

    assert differentiable(Hard()) is None
    assert with_a_gradient(Hard()) is None
    for kind in ("diffusion", "score", "straight"):
        whole = before(Hard(), kind)
        assert whole.stand_in() is None
        assert whole.identity_stand_in() is None


COMPLETE = [
    found.name for found in defenses.listings() if not found.family and "required" not in found.settings.values()
]


@pytest.mark.parametrize("name", COMPLETE)
def test_a_query_without_a_gradient_keeps_no_graph(name: str) -> None:
    kept: list[Tensor] = []
    classifier = defenses.make(name, {}).load(TASK, "cpu")

    def keep(tensor: Tensor) -> Tensor:
        kept.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        logits = ask(classifier, digits(2), rng())
    assert not logits.requires_grad
    assert kept == [] or name == "rdc"  # whose forward pass climbs a gradient of its own


def test_networks_are_found_wherever_they_lie() -> None:
    assert len(_networks(Network(torch.nn.Identity()))) == 1
    assert replace(JEM(), refine=1).load(TASK, "cpu").identity_stand_in() is not None
