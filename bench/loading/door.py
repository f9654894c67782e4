"""Contracts at the door: what is asked of a classifier when it is first met in a run, in a handful of calls."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from bench.domain.queries.asking import ask
from bench.loading.determinism import seeded

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from bench.domain.defense import Classifier

SHOWN = 2
"""How many images a classifier is shown."""
AMBIENT = (20_241_120, 20_250_311)
"""Seeds of the global generators, which no plugin is likely to set itself."""
ROUNDING = 1e-3
"""Two answers are alike where no logit differs by more than this share of the largest."""

INPUT = "leaves its input alone"
AMBIENCE = "leaves the global generators alone"
OWN_NOISE = "draws all noise from its generator"
SAME = "gives equal logits whatever the generator"
COMPANY = "gives an image equal logits in any company"
AUTOGRAD = "gives equal logits with autograd and without"


@dataclass(frozen=True)
class Introduction:
    """What a classifier says of itself, and what was seen: whether another seed changes its answers (`random`), and
    each contract with the sentence that says how it is broken, empty where it is kept."""

    deterministic: bool
    differentiable: bool
    abstains: bool
    random: bool
    contracts: dict[str, str] = field(default_factory=dict)


def introduce(classifier: Classifier, images: Tensor, device: str) -> Introduction:
    """Ask about the first of some images (N, C, H, W): twice under one seed, once under another, and once more each
    without autograd and with images that ask for a gradient; about the last alone where its company is to be nothing.
    """
    import torch

    shown = images[:SHOWN]
    given = shown.clone()
    with seeded(_generator(AMBIENT[0], device), device):
        before = states()
        first = ask(classifier, given, _generator(1, device)).detach()
        touched = moved(before, states())
    with seeded(_generator(AMBIENT[1], device), device):
        again = ask(classifier, shown.clone(), _generator(1, device)).detach()
        other = ask(classifier, shown.clone(), _generator(2, device)).detach()
    with seeded(_generator(AMBIENT[1], device), device):
        with torch.no_grad():
            blind = classifier(shown.clone(), _generator(1, device)).detach()
        seeing = ask(classifier, shown.clone().requires_grad_(), _generator(1, device)).detach()
        alone = ask(classifier, shown[-1:].clone(), _generator(1, device)).detach() if classifier.common_noise else None
    follows, varies = alike(first, again), not alike(again, other)
    contracts = {
        INPUT: "" if torch.equal(given, shown) else "it changes the images that it is given",
        AMBIENCE: "" if not touched else f"a call moves the global generator of {', '.join(touched)}",
        OWN_NOISE: "" if follows else f"equal generators give logits that differ by up to {_gap(first, again):.3g}",
    }
    if follows:
        known = all(alike(again, found) for found in (blind, seeing))
        contracts[AUTOGRAD] = "" if known else "it answers otherwise where no gradient, or where one, can be asked for"
    if alone is not None and follows:
        gap = f"it says that all images meet one noise, and other company moves it by {_gap(again[-1:], alone):.3g}"
        contracts[COMPANY] = "" if alike(again[-1:], alone) else gap
    if classifier.deterministic:
        gap = f"it calls itself deterministic, and another seed moves it by {_gap(again, other):.3g}"
        contracts[SAME] = gap if varies else ""
    return Introduction(
        bool(classifier.deterministic),
        bool(classifier.differentiable),
        bool(classifier.abstains),
        varies or not follows,
        contracts,
    )


def alike(first: Tensor, second: Tensor) -> bool:
    """Whether two answers (N, K) to the same question are the same but for rounding."""
    if first.shape != second.shape:
        return False
    return _gap(first, second) <= ROUNDING * max(1e-30, float(first.abs().max()))


def states() -> dict[str, object]:
    """The state of each global generator by its owner's name, comparable with ==."""
    import torch

    name, keys, *rest = np.random.get_state(legacy=True)  # the global generator is what libraries draw from
    return {
        "torch": torch.get_rng_state().numpy().tobytes(),
        "numpy": (name, keys.tobytes(), *rest),  # type: ignore[union-attr]  # the legacy form is a tuple
        "Python": random.getstate(),
    }


def moved(before: dict[str, object], after: dict[str, object]) -> list[str]:
    """Whose global generator is in another state."""
    return [owner for owner in before if before[owner] != after[owner]]


def _gap(first: Tensor, second: Tensor) -> float:
    return float((first - second).abs().max())


def _generator(seed: int, device: str) -> Generator:
    import torch

    return torch.Generator(device).manual_seed(seed)
