"""What a protocol fixes, and which plans are exactly its own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from bench.domain.dataset import Dataset, shard_size_of
from bench.domain.threat import UNTOUCHED

if TYPE_CHECKING:
    from bench.domain.dataset import Sampling
    from bench.domain.plan import Plan, Spec

JUDGED = ("samples", "sample_seed", "sampling", "shard_size", "seed", "draws", "fixed_noise")
"""The settings that say how images are chosen and judged, attacked or not."""
SETTINGS = (*JUDGED, "passes")
SHARED = ("linf", "l2")
"""The norms that a protocol's one epsilon is for, as TMDC's is; as an l0 or a severity it would mean nothing."""


@dataclass(frozen=True)
class ProtocolAttack:
    """One attack of a protocol: its budget where it differs from the protocol's, and the settings that it fixes."""

    name: str
    epsilon: Fraction | None = None
    params: Mapping[str, Any] = field(default_factory=dict)

    def fixes(self, attack: Spec) -> bool:
        """Whether a plan's attack has this name and, one by one, these settings."""
        return attack.name == self.name and all(
            key in attack.params and _plain(attack.params[key]) == _plain(value) for key, value in self.params.items()
        )


@dataclass(frozen=True)
class Protocol:
    """All that is equal in every row of a leaderboard.

    `source` None means white box. `epsilon` is for attacks in linf and l2; None, and every other norm, means the data
    set's customary budget in the attack's norm. `shard_size` None leaves it to the data set. `fixed_noise` and `passes`
    are a plan's.
    """

    name: str
    version: str
    description: str
    samples: int
    sample_seed: int
    sampling: Sampling
    seed: int
    draws: int
    source: str | None
    epsilon: Fraction | None
    attacks: tuple[ProtocolAttack, ...]
    shard_size: int | None = None
    fixed_noise: bool = False
    passes: int | None = None

    def entry(self, attack: str) -> ProtocolAttack:
        """What it says of an attack; nothing but the name where it does not list it."""
        return next((entry for entry in self.attacks if entry.name == attack), ProtocolAttack(attack))


def covers(protocol: Protocol, plan: Plan, customary: Mapping[str, str], shard_size: int = Dataset.shard_size) -> bool:
    """Whether a plan is exactly one of the protocol's.

    `customary` and `shard_size` are those of the plan's data set. A protocol that leaves the shards' size to
    the data set covers that size and the usual one, and no other, which would be another chance. Under a transfer
    protocol the row of the source itself is its white-box plan; untouched images, where it asks for them as the attack
    'none', have no source. Attack settings that the protocol does not list may have any value.
    """
    return (
        all(getattr(plan, setting) == getattr(protocol, setting) for setting in fixed_in(plan, protocol.shard_size))
        and (protocol.shard_size is not None or plan.shard_size in _left_open(shard_size, plan.samples))
        and (plan.is_untouched or _same_source(protocol, plan))
        and any(
            attack.fixes(plan.attack) and budget(protocol, attack, plan.threat.norm, customary) == plan.threat.epsilon
            for attack in protocol.attacks
        )
    )


def fixed_in(plan: Plan, shard_size: int | None) -> tuple[str, ...]:
    """Which settings of a plan are somebody's decision: where nobody attacks there are no passes to limit, and where
    `shard_size` is None the data set's is taken."""
    settings = JUDGED if plan.is_untouched or plan.knowledge == "certified" else SETTINGS
    return tuple(each for each in settings if each != "shard_size" or shard_size is not None)


def _left_open(shard_size: int, samples: int) -> tuple[int, int]:
    return Dataset.shard_size, shard_size_of(shard_size, samples)


def _same_source(protocol: Protocol, plan: Plan) -> bool:
    if plan.source is None:
        return protocol.source is None or plan.defense.name == protocol.source
    return plan.source.name == protocol.source and plan.source != plan.defense


def budget(protocol: Protocol, attack: ProtocolAttack, norm: str, customary: Mapping[str, str]) -> Fraction | None:
    """An attack's epsilon: its own, else in linf and l2 the protocol's, else the data set's customary one, or None.

    Untouched images have 0.
    """
    if norm == UNTOUCHED:
        return Fraction(0)
    epsilon = attack.epsilon or (protocol.epsilon if norm in SHARED else None)
    return Fraction(customary[norm]) if epsilon is None and norm in customary else epsilon


def _plain(value: Any) -> str:
    # A plan that went through the store holds lists where a fresh one holds tuples.
    return json.dumps(value, sort_keys=True)
