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
from bench.loading.images import images_of
from bench.plugins.finding import name_of
from bench.plugins.registry import attacks, datasets, defenses
from bench.protocols.protocol import budget

Device = Callable[[], str]
SELF = "self"
"""The source that is the judged defense itself, whatever the protocol says."""


@dataclass(frozen=True)
class Content:
    """What of a request's plugins is content, spelled out for a task; no `source` where the attack sees the judged
    defense itself."""

    dataset: Spec
    defense: Spec
    attack: Spec
    source: Spec | None


@dataclass(frozen=True)
class Named:
    """The plugins of a request with their settings, and what they say of themselves.

    `attack` is None for the images as they are, `source` where the attack sees the judged defense itself, `epsilon`
    where nobody says one; `shard_size` is the data set's.
    """

    request: Request
    dataset: Dataset
    defense: Defense
    attack: Attack | None
    source: Defense | None
    epsilon: Fraction | None
    shard_size: int

    @classmethod
    def by(cls, request: Request) -> Named:
        """Run the plugins' code; raises `UsageError`, `DataError`, `WeightsError` or `PluginError`."""
        dataset = datasets.make(request.dataset, request.dataset_settings)
        defense = defenses.make(request.defense, request.defense_settings)
        attack = _attack(request)
        source, epsilon = _source(request, attack), _epsilon(request, attack, dataset)
        return cls(request, dataset, defense, attack, source, epsilon, _shard_size(request, dataset))

    @property
    def norm(self) -> str:
        """The attack's norm."""
        return UNTOUCHED_NORM if self.attack is None else self.attack.norm

    @property
    def knowledge(self) -> str:
        """What the attack knows."""
        return UNTOUCHED_NORM if self.attack is None else self.attack.knowledge

    @property
    def asks(self) -> bool:
        """Whether the attack asks a classifier in passes that can be counted; a proof is the harness's."""
        return self.attack is not None and not isinstance(self.attack, Certifier)

    def images(self) -> ImageSet:
        """The images of the data set."""
        return images_of(self.dataset, name_of(self.request.dataset)[0], self.request.data_dir)

    def content(self, task: Task, device: Device) -> Content:
        """The same plugins as content."""
        request, defense = self.request, defenses.spec(self.request.defense, self.defense, task, device)
        return Content(
            dataset=_kept_in(request.data_dir, datasets.spec(request.dataset, self.dataset)),
            defense=defense,
            attack=UNTOUCHED if self.attack is None else attacks.spec(request.attack, self.attack),
            source=None if self.source is None else self._another(self.source, defense, task, device),
        )

    def _another(self, source: Defense, judged: Spec, task: Task, device: Device) -> Spec | None:
        """The source as content; None where that is the judged defense."""
        name = _source_of(self.request)
        try:
            found = defenses.spec(name, source, task, device)
        except WeightsError as error:
            raise WeightsError(
                f"The images are to be crafted on {name}. {error} Or craft them on the judged defense itself (source "
                f"self)."
            ) from None
        alike = type(source) is type(self.defense)  # one class may be named by two references
        return None if judged == (replace(found, name=judged.name) if alike else found) else found


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


def _source(request: Request, attack: Attack | None) -> Defense | None:
    """The defense that the attack is to see; None for the judged one itself, and where another would change nothing (a
    corruption asks none) or prove nothing (a certificate)."""
    if attack is None or isinstance(attack, Certifier) or attack.norm == "corruption":
        return None
    name = _source_of(request)
    if name != SELF:
        return defenses.make(name, request.source_settings)
    if request.source_settings:
        raise UsageError(
            f"The attack sees the judged defense itself; {', '.join(request.source_settings)} cannot be set. Name the "
            f"defense that it sees with --source."
        )
    return None


def _source_of(request: Request) -> str:
    """The name of the source: the request's, else the protocol's."""
    wanted = request.protocol.source if request.source is None else request.source
    return SELF if wanted is None else wanted


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
