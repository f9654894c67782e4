"""From a person's request to a plan: names become plugins, defaults are spelled out, everything is checked once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, get_args

from bench.domain.attack import Attack, Certifier, Knowledge
from bench.domain.blame import blame
from bench.domain.dataset import Dataset, Sampling, Task, choose, shard_size_of
from bench.domain.defense import Defense
from bench.domain.errors import PluginError, UsageError, WeightsError
from bench.domain.plan import MOST_DRAWS, UNTOUCHED, Plan, Spec, precision_of
from bench.domain.threat import UNTOUCHED as UNTOUCHED_NORM
from bench.domain.threat import ThreatModel
from bench.loading.environment import resolve_device
from bench.loading.images import fingerprint, open_images
from bench.protocols import Protocol, ProtocolAttack, budget
from bench.protocols.protocol import SETTINGS
from bench.registry import attacks, datasets, defenses
from bench.settings import LARGEST

Device = Callable[[], str]
SELF = "self"
"""The source that is the judged defense itself, whatever the protocol says."""


MOST_SEEDS = 1000


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


def make_plan(request: Request, device: Device = lambda: resolve_device("auto")) -> Plan:
    """The plan of a request.

    A source is the protocol's unless the request names one; 'self', or a source that is the defense by content, is
    white box. The attack 'none' plans the images as they are. `device` is asked only where a defense computes otherwise
    on another kind of device. Raises `UsageError`, `DataError`, `WeightsError` or `PluginError` with one sentence each.
    """
    recipe = datasets.make(request.dataset, request.dataset_settings)
    dataset = _kept_in(request.data_dir, datasets.spec(request.dataset, recipe))
    images = open_images(dataset, request.data_dir)
    wanted = request.wanted()
    samples = _positive("samples", wanted["samples"])
    sample_seed = checked_seed("sample seed", wanted["sample_seed"])
    indices = choose(samples, len(images), sample_seed, wanted["sampling"])

    subject = _Subject(request.defense, request.defense_settings, images.task, device)
    entry = request.protocol.entry(request.attack)
    attack = _attack(request, entry)
    source = _source(request, attack, subject, device)
    draws = _positive("draws", wanted["draws"])
    if draws > MOST_DRAWS:
        raise UsageError(f"A sample is judged at most {MOST_DRAWS:,} times; got {draws:,} draws.")
    if wanted["fixed_noise"]:
        _check_fixed_noise(source, draws)
    asks = attack is not None and not isinstance(attack, Certifier)
    return Plan(
        defense=subject.spec,
        attack=UNTOUCHED if attack is None else attacks.spec(request.attack, attack),
        source=source,
        dataset=dataset,
        size=len(images),
        images=fingerprint(images, indices, dataset),
        threat=_threat(request, entry, attack, recipe),
        knowledge=UNTOUCHED_NORM if attack is None else attack.knowledge,
        samples=samples,
        sampling=wanted["sampling"],
        sample_seed=sample_seed,
        shard_size=_shard_size(request, wanted["shard_size"], recipe, samples),
        seed=checked_seed("seed", wanted["seed"]),
        draws=draws,
        precision=precision_of(subject.spec),
        fixed_noise=wanted["fixed_noise"],
        passes=_positive("number of passes", wanted["passes"]) if asks and wanted["passes"] is not None else None,
    )


def seeded_requests(request: Request, seeds: int) -> list[Request]:
    """The request under `seeds` consecutive seeds, from its own or the protocol's."""
    if seeds > MOST_SEEDS:
        raise UsageError(f"One call takes at most {MOST_SEEDS:,} seeds; got {seeds:,}.")
    first = request.wanted()["seed"]
    return [replace(request, seed=first + number) for number in range(_positive("number of seeds", seeds))]


def _kept_in(folder: Path | None, dataset: Spec) -> Spec:
    """The data set with the folder in which it lies on this machine, which pages look into later; no content."""
    if folder is None:
        return dataset
    return replace(dataset, place={**dataset.place, "folder": str(folder.expanduser().absolute())})


class _Subject:
    """A defense that a request names, as a recipe and as content."""

    def __init__(self, reference: str, settings: Mapping[str, Any], task: Task, device: Device) -> None:
        self.task = task
        self.recipe: Defense = defenses.make(reference, settings)
        self.spec = defenses.spec(reference, self.recipe, task, device)

    def is_same(self, other: _Subject) -> bool:
        """Whether both are one defense, be it under two references to one class."""
        alike = type(self.recipe) is type(other.recipe)
        return self.spec == (replace(other.spec, name=self.spec.name) if alike else other.spec)


def _attack(request: Request, entry: ProtocolAttack) -> Attack | None:
    """The attack with the protocol's settings and the request's; None for the images as they are."""
    if request.attack == UNTOUCHED.name:
        if request.attack_settings:
            raise UsageError(f"The attack 'none' has no settings; {', '.join(request.attack_settings)} cannot be set.")
        return None
    attack = attacks.make(request.attack, {**entry.params, **request.attack_settings})
    with blame(request.attack):
        if not isinstance(attack.norm, str) or attack.knowledge not in get_args(Knowledge):
            raise PluginError(
                f"its norm is {attack.norm!r} and its knowledge {attack.knowledge!r}; knowledge is one of "
                f"{', '.join(get_args(Knowledge))}."
            )
        if (attack.knowledge == "certified") != isinstance(attack, Certifier):
            raise PluginError("only a bench.Certifier is 'certified': the harness itself makes the proof.")
    return attack


def _source(request: Request, attack: Attack | None, judged: _Subject, device: Device) -> Spec | None:
    """The defense that the attack sees; None for the judged one itself, and where another would change nothing (a
    corruption asks none) or prove nothing (a certificate)."""
    if attack is None or isinstance(attack, Certifier) or attack.norm == "corruption":
        return None
    name = request.protocol.source if request.source is None else request.source
    if name is None or name == SELF:
        if request.source_settings:
            raise UsageError(
                f"The attack sees the judged defense itself; {', '.join(request.source_settings)} cannot be set. Name "
                f"the defense that it sees with --source."
            )
        return None
    try:
        source = _Subject(name, request.source_settings, judged.task, device)
    except WeightsError as error:
        raise WeightsError(
            f"The images are to be crafted on {name}. {error} Or craft them on the judged defense itself (source self)."
        ) from None
    return None if source.is_same(judged) else source.spec


def _shard_size(request: Request, wanted: int | None, dataset: Dataset, samples: int) -> int:
    """The one that is wanted, or the data set's."""
    if wanted is not None:
        return _positive("shard size", wanted)
    with blame(request.dataset):
        if type(dataset.shard_size) is not int or dataset.shard_size < 1:
            raise PluginError(f"its shard_size must be a whole number of at least 1; found {dataset.shard_size!r}.")
    return shard_size_of(dataset.shard_size, samples)


def _check_fixed_noise(source: Spec | None, draws: int) -> None:
    """Attack and judge can share a noise only where they ask the same classifier, and then there is one draw."""
    if source is not None:
        raise UsageError(
            f"--fixed-noise lets the attack know the judged classifier's noise, but these images are crafted on "
            f"{source.name}; add --source self."
        )
    if draws != 1:
        raise UsageError(f"With --fixed-noise there is one noise, so one draw a sample; got {draws}: add --draws 1.")


def _threat(request: Request, entry: ProtocolAttack, attack: Attack | None, dataset: Dataset) -> ThreatModel:
    if attack is None:
        return ThreatModel(UNTOUCHED_NORM, Fraction(0))
    epsilon = request.epsilon
    if epsilon is None:
        with blame(request.dataset):
            epsilon = budget(request.protocol, entry, attack.norm, dataset.budgets)
    if epsilon is None:
        raise UsageError(
            f"{request.dataset} has no customary budget for {attack.norm}, the norm of {request.attack}; "
            f"give one with --epsilon."
        )
    return ThreatModel(attack.norm, epsilon)


def _positive(label: str, value: int) -> int:
    if value >= LARGEST:
        raise UsageError(f"The {label} must be below 2^63; got a number of {len(str(value))} digits.")
    if value < 1:
        raise UsageError(f"The {label} must be at least 1; got {value}.")
    return value


def checked_seed(label: str, value: int) -> int:
    """The same seed; `UsageError` where numpy's legacy generator could not take it."""
    if not 0 <= value < 2**32:
        raise UsageError(f"The {label} must lie in [0, 2^32); got {value}.")
    return value
