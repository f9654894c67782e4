"""Plugins that reach for the harness, end its processes, or send what is no data."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bench import Batch, Classifier, Defense, Perturbed, Task, ThreatModel, Victim
from tests.plugins import Hyperplane
from tests.zoo.case import BlackBox, Case, assert_caught

if TYPE_CHECKING:
    from torch import Generator, Tensor


@dataclass(frozen=True)
class Usurper(Defense):
    """Puts its own function in the place of one of the harness's, wherever it is loaded."""

    place: str = "bench.evaluation.shard.judging:hear"

    def load(self, task: Task, device: str) -> Classifier:
        import importlib

        module, _, name = self.place.partition(":")
        owner: Any = importlib.import_module(module)
        *path, last = name.split(".")
        for step in path:
            owner = getattr(owner, step)
        original = getattr(owner, last)

        def mine(*arguments: Any, **settings: Any) -> Any:
            return original(*arguments, **settings)

        setattr(owner, last, mine)
        return Hyperplane().load(task, device)


@dataclass(frozen=True)
class Generous(BlackBox):
    """Lets the threat model admit everything, and takes what it likes."""

    def perturb(self, victim: Victim, batch: Batch, threat: ThreatModel, rng: Generator) -> Perturbed:
        import torch

        admits: Any = lambda self, clean, *more: torch.ones(len(clean), dtype=torch.bool)  # noqa: E731  # in passing
        ThreatModel.admits = admits  # type: ignore[method-assign]
        return Perturbed(1 - batch.images)


class _Text(str):
    """Text that would run code where it is read."""

    def __reduce__(self) -> Any:
        return os.system, ("true",)

    def __str__(self) -> str:
        return self


@dataclass(frozen=True)
class Sender(BlackBox):
    """Sends a remark that is more than text."""

    def perturb(self, victim: Victim, batch: Batch, threat: ThreatModel, rng: Generator) -> Perturbed:
        return Perturbed(batch.images.clone(), remarks=(_Text("hello"),))


@dataclass(frozen=True)
class Quitter(BlackBox):
    """Ends the process, in the way that it is told to."""

    how: str = "sys"

    def perturb(self, victim: Victim, batch: Batch, threat: ThreatModel, rng: Generator) -> Perturbed:
        if self.how == "sys":
            sys.exit(0)
        os._exit(0)


@dataclass(frozen=True)
class QuittingWhilePlanned(Defense):
    """Ends the process while its plan is made."""

    def resolve(self, task: Task) -> QuittingWhilePlanned:
        os._exit(0)

    def load(self, task: Task, device: str) -> Classifier:
        return Hyperplane().load(task, device)


@dataclass(frozen=True)
class Modest(Defense):
    """Makes its own budget small while its plan is made."""

    how: str = "patched"

    def resolve(self, task: Task) -> Modest:
        from fractions import Fraction

        from bench.evaluation.requests import named, planning

        make: Any = ThreatModel
        if self.how == "patched":
            setattr(named, "_epsilon", lambda *asked: Fraction(1, 1000))  # noqa: B010
        else:
            planning.ThreatModel = lambda norm, epsilon: make(norm, Fraction(1, 1000))  # type: ignore[assignment, misc]
        return self

    def load(self, task: Task, device: str) -> Classifier:
        return Hyperplane().load(task, device)


class _Shapeless(Classifier):
    def __init__(self, how: str) -> None:
        self.how = how

    def __call__(self, images: Tensor, rng: Generator) -> Any:
        import torch

        return {
            "classes": torch.zeros(len(images), 7),
            "rows": torch.zeros(1, 2),
            "whole": torch.zeros(len(images), 2, dtype=torch.int64),
            "list": [[0.0, 1.0]] * len(images),
            "nan": torch.full((len(images), 2), float("nan")),
        }[self.how]


@dataclass(frozen=True)
class Shapeless(Defense):
    """Answers with what are no logits."""

    how: str = "classes"

    def load(self, task: Task, device: str) -> Classifier:
        return _Shapeless(self.how)


def _of(title: str, words: str, plugin: str, **settings: str) -> Case:
    kind = "attack" if plugin in ("Generous", "Sender", "Quitter") else "defense"
    named: dict[str, Any] = {kind: f"{__name__}:{plugin}", "settings": {f"{kind}_settings": settings}}
    return Case(title, "refused", words, **named)


REPLACED = "replaced .*, which is the harness's own"
PLACES = (
    "bench.evaluation.shard.judging:hear",
    "bench.evaluation.shard.judging:ask",
    "bench.domain.queries.victim:ask",
    "bench.domain.queries.victim:Victim.observation",
    "bench.domain.facts:Facts.document",
    "bench.evaluation.shard.controls:lead",
)
CASES = [
    *(_of(f"a defense that replaces {place}", REPLACED, "Usurper", place=place) for place in PLACES),
    _of("an attack that lets the threat model admit everything", REPLACED, "Generous"),
    _of("a defense that plans a smaller budget for itself", REPLACED, "Modest", how="patched"),
    _of("a defense that changes the budget of its plan", "changed its plan: epsilon|replaced", "Modest", how="plan"),
    _of("an attack whose remark would run code", "no data", "Sender"),
    _of("an attack that calls sys.exit", "SystemExit", "Quitter", how="sys"),
    _of("an attack that ends its process", "ended without a word", "Quitter", how="os"),
    _of("a defense that ends the process in which it is planned", "ended without a word", "QuittingWhilePlanned"),
    *(
        _of(f"a defense that answers with {what}", words, "Shapeless", how=how)
        for how, what, words in (
            ("classes", "too many classes", r"\(32, 7\)"),
            ("rows", "too few rows", r"\(1, 2\)"),
            ("whole", "whole numbers", "floating point"),
            ("list", "a list", "returned list"),
            ("nan", "NaN", "NaN or infinite"),
        )
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)
def test_whoever_reaches_for_the_harness_is_refused(case: Case, tmp_path: Path) -> None:
    assert_caught(case, tmp_path)
