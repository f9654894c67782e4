"""What a contract finds, and the contracts that plugins of every kind keep."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol, TypeVar

from bench.domain.attack import Attack
from bench.domain.dataset import Dataset
from bench.domain.defense import Defense
from bench.domain.errors import BenchError
from bench.plugins.registry import Registry
from bench.plugins.settings import configure, spell_out

P = TypeVar("P", Defense, Attack, Dataset)
S = TypeVar("S")


@dataclasses.dataclass(frozen=True)
class Finding:
    """What became of one contract; `sentence` says why it failed, or why it could not be judged."""

    contract: str
    passed: bool
    sentence: str = ""


class Subject(Protocol):
    """A plugin under test, with the reference under which plans name it."""

    @property
    def reference(self) -> str: ...

    @property
    def plugin(self) -> Defense | Attack | Dataset: ...


class UnjudgedError(Exception):
    """Raised by a contract that cannot be judged on a plugin; its message says why."""


def judge(contract: Callable[[S], str | None], subject: S) -> Finding:
    """The finding of one contract, which returns None or one sentence; whatever it raises becomes a sentence."""
    name = contract.__name__.replace("_", " ")
    try:
        complaint = contract(subject)
    except UnjudgedError as reason:
        return Finding(name, True, str(reason))
    except BenchError as error:
        return Finding(name, False, str(error))
    except Exception as error:  # a plugin may raise anything
        return Finding(name, False, f"It raised {type(error).__name__}: {error}")
    return Finding(name, complaint is None, complaint or "")


def assert_contracts(findings: Iterable[Finding]) -> None:
    """Raise an `AssertionError` with the sentence of every failed contract; for pytest."""
    failed = [f"{finding.contract}: {finding.sentence}" for finding in findings if not finding.passed]
    if failed:
        raise AssertionError("\n".join(failed))


def made(registry: Registry[P], plugin: str | P, settings: Mapping[str, Any] | None) -> tuple[str, P]:
    """The reference and the instance of a plugin given as either."""
    if isinstance(plugin, str):
        return plugin, registry.make(plugin, settings or {})
    return f"{type(plugin).__module__}:{type(plugin).__qualname__}", plugin


def is_a_frozen_recipe(subject: Subject) -> str | None:
    """Settings are the fields of a frozen dataclass, so that they are the plugin's identity."""
    plugin = type(subject.plugin)
    if not dataclasses.is_dataclass(plugin):
        held = ", ".join(sorted(vars(subject.plugin)))
        return f"{plugin.__name__} holds {held} but is no frozen dataclass; make them its fields." if held else None
    if not plugin.__dataclass_params__.frozen:
        return f"{plugin.__name__} is a dataclass that can change; write @dataclass(frozen=True)."
    return None


def explains_itself(subject: Subject) -> str | None:
    """A docstring opens with what `bench list` shows."""
    plugin = type(subject.plugin)
    text = (vars(plugin).get("__doc__") or "").strip()
    if not text or text.startswith(f"{plugin.__name__}("):  # what dataclass writes where there is none
        return f"{plugin.__name__} has no docstring; open it with one line that says what it is."
    return None


def survives_a_plan(subject: Subject) -> str | None:
    """The settings, written into a plan as JSON and read again, make an equal plugin."""
    plugin, plain = subject.plugin, spell_out(subject.plugin)
    try:
        read = json.loads(json.dumps(plain))
    except TypeError as error:
        return f"The settings {', '.join(plain)} are no plain data ({error}); use numbers, text, fractions and paths."
    again = configure(type(plugin), read, subject.reference)
    if spell_out(again) == plain and (again == plugin or not dataclasses.is_dataclass(plugin)):
        return None
    changed = [name for name, value in plain.items() if spell_out(again)[name] != value or _differ(again, plugin, name)]
    return f"The settings {', '.join(changed) or 'of it'} come back changed from a plan; annotate each with its type."


RECIPE: tuple[Callable[[Subject], str | None], ...] = (is_a_frozen_recipe, explains_itself, survives_a_plan)


def _differ(left: object, right: object, name: str) -> bool:
    return bool(getattr(left, name) != getattr(right, name))
