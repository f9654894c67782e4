"""From a person's request to a plan: names become plugins, defaults are spelled out, everything is checked once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from bench.domain.attack import Attack
from bench.domain.dataset import Dataset, ImageSet, Sampling, Split, choose
from bench.domain.errors import UsageError
from bench.domain.plan import Plan, Spec
from bench.domain.threat import ThreatModel
from bench.protocols import Protocol, ProtocolAttack, budget
from bench.registry import attacks, datasets, defenses


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
    epsilon: Fraction | None = None
    samples: int | None = None
    sampling: Sampling | None = None
    sample_seed: int | None = None
    shard_size: int | None = None
    seed: int | None = None
    draws: int | None = None


def make_plan(request: Request) -> Plan:
    """The plan of a request.

    A source is the protocol's unless the request names one; 'self', or a source equal to the defense, is white box.
    Raises `UsageError`, `DataError`, `WeightsError` or `PluginError` with one sentence each.
    """
    protocol = request.protocol
    dataset = datasets.make(request.dataset, request.dataset_settings)
    images = dataset.load("test", request.data_dir)
    samples = _positive("samples", request.samples, protocol.samples)
    sampling = request.sampling or protocol.sampling
    sample_seed = protocol.sample_seed if request.sample_seed is None else request.sample_seed
    indices = choose(samples, len(images), _seed("sample seed", sample_seed), sampling)

    defense = defenses.spec(request.defense, defenses.make(request.defense, request.defense_settings), images.task)
    settings = {**_protocol_entry(protocol, request.attack).params, **request.attack_settings}
    attack = attacks.make(request.attack, settings)
    return Plan(
        defense=defense,
        attack=attacks.spec(request.attack, attack),
        source=None if _is_sourceless(attack) else _source(request, defense, images),
        dataset=datasets.spec(request.dataset, dataset),
        size=len(images),
        images=images.fingerprint(indices),
        threat=_threat(request, attack, dataset),
        knowledge=attack.knowledge,
        samples=samples,
        sampling=sampling,
        sample_seed=sample_seed,
        shard_size=_positive("shard size", request.shard_size, protocol.shard_size),
        seed=_seed("seed", protocol.seed if request.seed is None else request.seed),
        draws=_positive("draws", request.draws, protocol.draws),
    )


def seeded_requests(request: Request, seeds: int) -> list[Request]:
    """The request under `seeds` consecutive seeds, from its own or the protocol's."""
    first = request.protocol.seed if request.seed is None else request.seed
    return [replace(request, seed=first + number) for number in range(_positive("number of seeds", seeds, 1))]


def open_images(spec: Spec, data_dir: Path | None, split: Split = "test") -> ImageSet:
    """The images that a plan's data set names."""
    return datasets.make(spec.name, spec.params).load(split, data_dir)


def _is_sourceless(attack: Attack) -> bool:
    """Whether another victim would change nothing (a corruption asks none) or prove nothing (a certificate)."""
    return attack.knowledge == "certified" or attack.norm == "corruption"


def _source(request: Request, defense: Spec, images: ImageSet) -> Spec | None:
    name = request.source or request.protocol.source
    if name in (None, "self"):
        return None
    source = defenses.spec(name, defenses.make(name, {}), images.task)
    return None if source == defense else source


def _threat(request: Request, attack: Attack, dataset: Dataset) -> ThreatModel:
    entry = _protocol_entry(request.protocol, request.attack)
    epsilon = request.epsilon
    if epsilon is None:
        epsilon = budget(request.protocol, entry, attack.norm, dataset.budgets)
    if epsilon is None:
        raise UsageError(
            f"{request.dataset} has no customary budget for {attack.norm}, the norm of {request.attack}; "
            f"give one with --epsilon."
        )
    return ThreatModel(attack.norm, epsilon)


def _protocol_entry(protocol: Protocol, attack: str) -> ProtocolAttack:
    """What the protocol says of an attack; nothing but its name where it does not list it."""
    return next((entry for entry in protocol.attacks if entry.name == attack), ProtocolAttack(attack))


def _positive(label: str, wanted: int | None, default: int) -> int:
    value = default if wanted is None else wanted
    if value < 1:
        raise UsageError(f"The {label} must be at least 1; got {value}.")
    return value


def _seed(label: str, value: int) -> int:
    if not 0 <= value < 2**32:
        raise UsageError(f"The {label} must lie in [0, 2^32); got {value}.")
    return value
