"""A cheat or an accident, how it must end, and what it takes to try it."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, ClassVar, Literal

from bench import Attack

Ending = Literal["invalid", "refused", "doubted"]
HONEST_DEFENSE, HONEST_ATTACK = "tests.plugins:Hyperplane", "pgd-linf"


@dataclass(frozen=True)
class Case:
    """What is tried, in words for a reader, and how it must end: a sentence that matches `words` names the culprit."""

    title: str
    ending: Ending
    words: str
    defense: str = HONEST_DEFENSE
    attack: str = HONEST_ATTACK
    settings: Mapping[str, Any] = field(default_factory=dict)
    epsilon: str = "0.05"
    samples: int = 32

    @property
    def culprit(self) -> str:
        """The one of the two that is not honest."""
        return self.attack if self.defense == HONEST_DEFENSE else self.defense


class BlackBox(Attack):
    """An attack in linf that asks for no gradient."""

    norm: ClassVar[str] = "linf"
    knowledge = "black-box"


@dataclass(frozen=True)
class End:
    """How it ended, the sentences that say so, and the accuracy that stands there."""

    ending: Ending | None
    sentences: tuple[str, ...]
    robust: float | None = None


def tried(case: Case, folder: Path) -> End:
    """Evaluate a case in a store of its own.

    The harness is imported here, for every worker that loads a case's plugin reads this file.
    """
    from bench.analysis.results.summary import read
    from bench.domain.errors import BenchError
    from bench.evaluation.evaluate import evaluate
    from bench.evaluation.requests.clerk import plans_of
    from bench.evaluation.requests.request import Request
    from bench.protocols import find_protocol
    from bench.store.store import Store
    from tests.evaluation.observers import Memory

    protocol = replace(find_protocol("transfer-1024"), shard_size=32, source=None)
    request = Request(
        case.defense,
        case.attack,
        protocol,
        dataset="tests.plugins:Halves",
        samples=case.samples,
        epsilon=Fraction(case.epsilon),
        **case.settings,
    )
    store = Store(Path(tempfile.mkdtemp(dir=folder)) / "zoo.db")
    (plan,) = plans_of([request], "cpu")
    if isinstance(plan, BenchError):
        return End("refused", (str(plan),))
    evaluation = evaluate(plan, store, Memory(), lambda: "cpu", workers=1)
    if evaluation.failures:
        return End("refused", tuple(failure.sentence for failure in evaluation.failures))
    result = read(store, plan)
    if result.invalid:
        return End("invalid", result.invalid, result.robust_accuracy)
    return End("doubted" if result.doubts else None, result.doubts, result.robust_accuracy)


def assert_caught(case: Case, folder: Path) -> None:
    """The case ends as it must, in a sentence that says why and whose fault it is."""
    end = tried(case, folder)
    assert end.ending == case.ending, end
    assert any(re.search(case.words, sentence) for sentence in end.sentences), end
    name = case.culprit.rpartition(":")[2]
    if case.ending != "doubted":
        assert any(name in sentence or "test_" in sentence for sentence in end.sentences), (name, end)
