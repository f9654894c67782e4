"""What a request names, found and made: its plugins as content, and what they say of themselves, checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, get_args

from bench.domain.attack import Attack, Certifier, Knowledge
from bench.domain.blame import blame
from bench.domain.dataset import Dataset, ImageSet, Task
from bench.domain.defense import Defense
from bench.domain.errors import PluginError, UsageError, WeightsError
from bench.domain.plan import UNTOUCHED, Spec
from bench.domain.threat import UNTOUCHED as UNTOUCHED_NORM
from bench.evaluation.requests.request import Request
from bench.loading.images import open_images
from bench.protocols.protocol import budget
from bench.registry import P, Registry, attacks, datasets, defenses

Device = Callable[[], str]
SELF = "self"
"""The source that is the judged defense itself, whatever the protocol says."""


@dataclass(frozen=True)
class Named:
    """The plugins of a request. `source` is None where the attack sees the judged defense itself, `epsilon` where
    nobody says one, and `shard_size` is the data set's."""

    images: ImageSet
    dataset: Spec
    defense: Spec
    attack: Spec
    source: Spec | None
    norm: str
    knowledge: str
    epsilon: Fraction | None
    shard_size: int
    asks: bool
    """Whether the attack asks a classifier in passes that can be counted; a proof is the harness's."""

    @classmethod
    def by(cls, request: Request, device: Device) -> Named:
        """Run the plugins' code; raises `UsageError`, `DataError`, `WeightsError` or `PluginError`."""
        recipe, found = _made(datasets, request.dataset, request.dataset_settings)
        dataset = _kept_in(request.data_dir, found)
        images = open_images(dataset, request.data_dir)
        judged = _made(defenses, request.defense, request.defense_settings, images.task, device)
        attack = _attack(request)
        return cls(
            images=images,
            dataset=dataset,
            defense=judged[1],
            attack=UNTOUCHED if attack is None else attacks.spec(request.attack, attack),
            source=_source(request, attack, judged, images.task, device),
            norm=UNTOUCHED_NORM if attack is None else attack.norm,
            knowledge=UNTOUCHED_NORM if attack is None else attack.knowledge,
            epsilon=_epsilon(request, attack, recipe),
            shard_size=_shard_size(request, recipe),
            asks=attack is not None and not isinstance(attack, Certifier),
        )


def _made(
    plugins: Registry[P],
    reference: str,
    settings: Mapping[str, Any],
    task: Task | None = None,
    device: Device | None = None,
) -> tuple[P, Spec]:
    plugin = plugins.make(reference, settings)
    return plugin, plugins.spec(reference, plugin, task, device)


def _kept_in(folder: Path | None, dataset: Spec) -> Spec:
    """The data set with the folder in which it lies on this machine, which pages look into later; no content."""
    if folder is None:
        return dataset
    return replace(dataset, place={**dataset.place, "folder": str(folder.expanduser().absolute())})


def _attack(request: Request) -> Attack | None:
    """The attack with the protocol's settings and the request's; None for the images as they are."""
    if request.attack == UNTOUCHED.name:
        if request.attack_settings:
            raise UsageError(f"The attack 'none' has no settings; {', '.join(request.attack_settings)} cannot be set.")
        return None
    settings: Mapping[str, Any] = {**request.protocol.entry(request.attack).params, **request.attack_settings}
    attack = attacks.make(request.attack, settings)
    with blame(request.attack):
        if not isinstance(attack.norm, str) or attack.knowledge not in get_args(Knowledge):
            raise PluginError(
                f"its norm is {attack.norm!r} and its knowledge {attack.knowledge!r}; knowledge is one of "
                f"{', '.join(get_args(Knowledge))}."
            )
        if (attack.knowledge == "certified") != isinstance(attack, Certifier):
            raise PluginError("only a bench.Certifier is 'certified': the harness itself makes the proof.")
    return attack


def _source(
    request: Request, attack: Attack | None, judged: tuple[Defense, Spec], task: Task, device: Device
) -> Spec | None:
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
        recipe, source = _made(defenses, name, request.source_settings, task, device)
    except WeightsError as error:
        raise WeightsError(
            f"The images are to be crafted on {name}. {error} Or craft them on the judged defense itself (source self)."
        ) from None
    alike = type(recipe) is type(judged[0])  # one class may be named by two references
    return None if judged[1] == (replace(source, name=judged[1].name) if alike else source) else source


def _epsilon(request: Request, attack: Attack | None, dataset: Dataset) -> Fraction | None:
    """The request's epsilon, else the protocol's, else what is customary on the data set."""
    if attack is None:
        return Fraction(0)
    if request.epsilon is not None:
        return request.epsilon
    with blame(request.dataset):
        return budget(request.protocol, request.protocol.entry(request.attack), attack.norm, dataset.budgets)


def _shard_size(request: Request, dataset: Dataset) -> int:
    """The data set's usual samples a shard; that of a request which names one is not looked at."""
    if request.wanted()["shard_size"] is not None:
        return Dataset.shard_size
    with blame(request.dataset):
        if type(dataset.shard_size) is not int or dataset.shard_size < 1:
            raise PluginError(f"its shard_size must be a whole number of at least 1; found {dataset.shard_size!r}.")
    return dataset.shard_size
