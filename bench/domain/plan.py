"""An evaluation as plain data: its digest is its identity, its shards are its units of work."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from bench.domain.dataset import Sampling, choose
from bench.domain.threat import ThreatModel

if TYPE_CHECKING:
    from torch import Generator

Purpose = Literal["clean", "attack", "victim", "judge"]
Assurance = Literal["invalid", "transfer", "black-box", "white-box", "adaptive", "certified"]


@dataclass(frozen=True)
class Spec:
    """A plugin as data: the reference it was found under, all its settings spelled out, its version, and the SHA-256
    of each weights file it reads."""

    name: str
    params: Mapping[str, Any] = field(default_factory=dict)
    version: str = "1"
    weights: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    """Everything that changes a result, and nothing else.

    `images` is the fingerprint of the drawn samples. `source` None means white box: the attack sees the defense.
    `knowledge` is the attack's own claim (black-box, white-box, adaptive).
    """

    defense: Spec
    attack: Spec
    source: Spec | None
    dataset: Spec
    size: int
    images: str
    threat: ThreatModel
    knowledge: str
    samples: int
    sampling: Sampling
    sample_seed: int
    shard_size: int
    seed: int
    draws: int
    precision: str = "float32"

    def document(self) -> dict[str, Any]:
        """Plain data from which `from_document` rebuilds an equal plan."""
        return {**asdict(self), "threat": self.threat.document()}

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Plan:
        """The plan that `document()` described."""
        fields = dict(document)
        for role in ("defense", "attack", "source", "dataset"):
            fields[role] = None if fields[role] is None else Spec(**fields[role])
        return cls(**{**fields, "threat": ThreatModel.from_document(fields["threat"])})

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the plan's canonical JSON."""
        return hashlib.sha256(json.dumps(self.document(), sort_keys=True).encode()).hexdigest()

    @property
    def assurance(self) -> Assurance:
        """How strong the evidence of valid outcomes of this plan is."""
        if self.source is not None:
            return "transfer"
        if self.knowledge in ("black-box", "adaptive", "certified"):
            return self.knowledge  # type: ignore[return-value]  # narrowed by the line above
        return "white-box"

    @cached_property
    def indices(self) -> tuple[int, ...]:
        """The data set's indices of the samples, in the order in which the shards cut them."""
        return choose(self.samples, self.size, self.sample_seed, self.sampling)

    def shards(self) -> tuple[Shard, ...]:
        """The plan cut into runs of `shard_size` samples; the last one may be shorter."""
        starts = range(0, self.samples, self.shard_size)
        return tuple(
            Shard(number, self.seed, self.indices[start : start + self.shard_size])
            for number, start in enumerate(starts)
        )

    def crafting(self) -> Plan | None:
        """The white-box plan on the source whose images this plan judges (one draw); None for a white-box plan."""
        if self.source is None:
            return None
        return replace(self, defense=self.source, source=None, draws=1)


@dataclass(frozen=True)
class Shard:
    """A fixed run of a plan's samples: the batch, and the unit of work, commit, resumption and distribution."""

    index: int
    seed: int
    indices: tuple[int, ...]

    def stream(self, purpose: Purpose, device: str) -> Generator:
        """A fresh generator for one purpose; a function of (seed, shard, purpose) alone."""
        import torch

        digest = hashlib.sha256(f"{self.seed}/{self.index}/{purpose}".encode()).digest()
        return torch.Generator(device=device).manual_seed(int.from_bytes(digest[:8], "big") >> 1)
