"""Plugins with their settings, and attacks at a budget: how equal ones are known, and how others are told apart."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from bench.domain.plan import Spec
from bench.domain.threat import ThreatModel


@dataclass(frozen=True)
class Column:
    """One attack at one budget."""

    attack: Spec
    threat: ThreatModel

    def document(self) -> dict[str, Any]:
        """The column as plain data."""
        return {"attack": self.attack.document(), "threat": self.threat.document()}


def identity(thing: Spec | Column | None) -> str:
    """A text that is equal exactly for equal specs or columns, although these hold unhashable settings."""
    return "" if thing is None else json.dumps(thing.document(), sort_keys=True, default=str)


def differences(spec: Spec, others: Iterable[Spec], *, weights: bool = True) -> tuple[str, ...]:
    """The settings, version and (unless they do not matter) weights in which a plugin differs from others of its name:
    'width=64'."""
    namesakes = [other for other in others if other.name == spec.name]
    found = [
        f"{key}={value}"
        for key, value in spec.params.items()
        if any(other.params.get(key) != value for other in namesakes)
    ]
    if any(other.version != spec.version for other in namesakes):
        found.append(f"version {spec.version}")
    if weights and any(other.weights != spec.weights for other in namesakes):
        found.extend(f"{role} {sha256[:8]}" for role, sha256 in spec.weights.items())
    return tuple(found)


def distinguished(spec: Spec, others: Iterable[Spec]) -> str:
    """A plugin's name with what tells it from others of its name: 'tmdc width=64'."""
    return " ".join((spec.name, *differences(spec, others)))
