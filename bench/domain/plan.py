"""An evaluation as plain data: its digest is its identity, its shards are its units of work."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from fractions import Fraction
from functools import cached_property
from typing import Any, Literal

from bench.domain.dataset import Sampling, choose
from bench.domain.threat import UNTOUCHED as UNTOUCHED_NORM
from bench.domain.threat import ThreatModel

Purpose = Literal["attack", "victim", "judge", "replay"]
ROLES = ("defense", "attack", "source", "dataset")
FIRST_HARNESS = "1"
HARNESS = "2"
"""How this bench crafts and judges. Plans of bench 0.1, whose documents do not say it, are of harness "1"."""
MOST_DRAWS = 10_000
"""A sample is judged at most so often."""
PLACE: Mapping[str, type] = {"name": str, "params": Mapping, "folder": str}
"""What a plugin's place on a machine may say, and as what."""


def is_place(found: object) -> bool:
    """Whether it says under what name, with which settings and in which folder a plugin or its images are found."""
    return isinstance(found, Mapping) and all(isinstance(part, PLACE.get(name, ())) for name, part in found.items())


@dataclass(frozen=True)
class Spec:
    """A plugin as data: the reference it was found under, all its settings spelled out, its version, and the SHA-256
    of each weights file it reads.

    All of this is content: no setting says where on somebody's machine a file lies. `place` does, for this machine: the
    `name` and the `params` to use in the stead of those above, and the `folder` of a data set's images. It is no part
    of the plugin's identity. Raises `ValueError` where a place says what no store would read back.
    """

    name: str
    params: Mapping[str, Any] = field(default_factory=dict)
    version: str = "1"
    weights: Mapping[str, str] = field(default_factory=dict)
    place: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)

    def __post_init__(self) -> None:
        if not is_place(self.place):
            raise ValueError(f"The place of {self.name} is none: {self.place!r}.")

    @property
    def reference(self) -> str:
        """The reference under which the plugin is found on this machine."""
        return str(self.place.get("name", self.name))

    @property
    def settings(self) -> dict[str, Any]:
        """The settings with which the plugin is made on this machine."""
        return {**self.params, **self.place.get("params", {})}

    def document(self) -> dict[str, Any]:
        """The identity as plain data."""
        return {
            "name": self.name,
            "params": dict(self.params),
            "version": self.version,
            "weights": dict(self.weights),
        }


UNTOUCHED = Spec("none")
"""In the place of an attack: the images as they are, judged once for a defense and shared by every attack."""


@dataclass(frozen=True)
class Plan:
    """Everything that changes a result, and nothing else.

    `images` is the fingerprint of the drawn samples. `source` None means white box: the attack sees the defense.
    `knowledge` is the attack's own claim (black-box, white-box, adaptive), `precision` the one that the defense
    computes in, `harness` how it was crafted and judged. `fixed_noise` is the other view of a random defense: attack
    and judge share one noise a shard, so that its randomness protects nothing. `passes` is the most forward and
    backward passes a sample that the attack may make; None leaves it to the attack.
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
    harness: str = HARNESS
    fixed_noise: bool = False
    passes: int | None = None

    def document(self) -> dict[str, Any]:
        """Plain data from which `from_document` rebuilds an equal plan; what is only true of a machine is left out."""
        plain = {each.name: getattr(self, each.name) for each in fields(self)}
        specs = {role: None if plain[role] is None else plain[role].document() for role in ROLES}
        document = {**plain, **specs, "threat": self.threat.document()}
        if self.harness == FIRST_HARNESS:
            del document["harness"]  # so that its digest stays the one under which it is stored
        if not self.fixed_noise:
            del document["fixed_noise"]  # likewise
        if self.passes is None:
            del document["passes"]
        return document

    @property
    def places(self) -> dict[str, Any]:
        """Where on this machine the plugins and files of each role lie; no part of the plan's identity."""
        specs = {role: getattr(self, role) for role in ROLES}
        return {role: dict(spec.place) for role, spec in specs.items() if spec is not None and spec.place}

    def placed(self, places: Mapping[str, Mapping[str, Any]]) -> Plan:
        """The same plan with its plugins and files at these places."""
        found = {role: getattr(self, role) for role in ROLES if getattr(self, role) is not None}
        return replace(self, **{role: replace(spec, place=places.get(role, {})) for role, spec in found.items()})

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Plan:
        """The plan that `document()` described."""
        found = {"harness": FIRST_HARNESS, **document}
        for role in ROLES:
            found[role] = None if found[role] is None else Spec(**found[role])
        return cls(**{**found, "threat": ThreatModel.from_document(found["threat"])})

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the plan's canonical JSON."""
        return hashlib.sha256(json.dumps(self.document(), sort_keys=True).encode()).hexdigest()

    @property
    def is_untouched(self) -> bool:
        """Whether the images are judged as they are."""
        return self.threat.norm == UNTOUCHED_NORM

    @cached_property
    def indices(self) -> tuple[int, ...]:
        """The data set's indices of the samples, in the order in which the shards cut them."""
        return choose(self.samples, self.size, self.sample_seed, self.sampling)

    def shards(self) -> tuple[Shard, ...]:
        """The plan cut into runs of `shard_size` samples; the last one may be shorter."""
        starts = range(0, self.samples, self.shard_size)
        return tuple(
            Shard(number, self.indices[start : start + self.shard_size]) for number, start in enumerate(starts)
        )

    def crafting(self) -> Plan | None:
        """The white-box plan on the source whose images this plan judges (one draw); None for a white-box plan."""
        if self.source is None:
            return None
        return replace(self, defense=self.source, source=None, draws=1, precision=precision_of(self.source))

    def untouched(self) -> Plan:
        """The plan that judges the same images as they are; the attack, its budget and its source do not matter."""
        threat = ThreatModel(UNTOUCHED_NORM, Fraction(0))
        clean = replace(self, attack=UNTOUCHED, source=None, threat=threat, knowledge=UNTOUCHED_NORM)
        return replace(clean, passes=None)

    @cached_property
    def _key(self) -> str:
        """What all random streams of the plan derive from. It holds what no judged classifier is told: the images'
        fingerprint, labels included. It is the same under every attack, and the same for clean and perturbed images."""
        parts = (self.images, self.sample_seed, self.samples, self.shard_size, self.seed, self.dataset.document())
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    def seed_of(self, shard: Shard, purpose: Purpose, *numbers: int) -> int:
        """The seed of one random stream of a shard, below 2^63."""
        text = "/".join(map(str, (self._key, shard.index, purpose, *numbers)))
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


@dataclass(frozen=True)
class Shard:
    """A fixed run of a plan's samples: the batch, and the unit of work, commit, resumption and distribution."""

    index: int
    indices: tuple[int, ...]


def precision_of(defense: Spec) -> str:
    """The precision that a defense's settings name, else the coarsest of its parts; float32 where none is named."""
    named = _precisions(defense.params)
    return max(named, key=lambda precision: _COARSENESS.get(precision, 0), default="float32")


_COARSENESS = {"float32": 1, "float16": 2, "bfloat16": 3}


def _precisions(params: Mapping[str, Any]) -> list[str]:
    if params.get("precision"):
        return [str(params["precision"])]
    parts = [value["params"] for value in params.values() if isinstance(value, Mapping) and "params" in value]
    return [precision for part in parts for precision in _precisions(part)]
