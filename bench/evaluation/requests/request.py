"""What a person asked for, in names and numbers; no plugin is known yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

from bench.domain.dataset import Sampling
from bench.protocols import Protocol
from bench.protocols.protocol import SETTINGS


@dataclass(frozen=True)
class Request:
    """What a person asked for; None leaves a value to the protocol."""

    defense: str
    attack: str
    protocol: Protocol
    defense_settings: Mapping[str, Any] = field(default_factory=dict)
    attack_settings: Mapping[str, Any] = field(default_factory=dict)
    dataset: str = "digits"
    dataset_settings: Mapping[str, Any] = field(default_factory=dict)
    data_dir: Path | None = None
    source: str | None = None
    source_settings: Mapping[str, Any] = field(default_factory=dict)
    epsilon: Fraction | None = None
    samples: int | None = None
    sampling: Sampling | None = None
    sample_seed: int | None = None
    shard_size: int | None = None
    seed: int | None = None
    draws: int | None = None
    fixed_noise: bool | None = None
    passes: int | None = None

    def wanted(self) -> dict[str, Any]:
        """Every setting of a protocol as it was asked for, else as the protocol has it; None leaves it to the data set
        or the attack."""
        own = {name: getattr(self, name) for name in SETTINGS}
        return {name: getattr(self.protocol, name) if value is None else value for name, value in own.items()}
