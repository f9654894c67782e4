"""A protocol's attacks x defenses, and any settings given several times, in one queue, by workers that all share."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any, Unpack

from bench.domain.errors import BenchError, UsageError
from bench.domain.labels import Labels
from bench.domain.plan import UNTOUCHED, Plan
from bench.domain.threat import format_epsilon
from bench.evaluation.evaluate import evaluate_all
from bench.evaluation.requests.clerk import plans_of
from bench.evaluation.requests.named import SELF
from bench.evaluation.requests.planning import checked_seed
from bench.evaluation.requests.request import Request
from bench.evaluation.running.run import Evaluation, Means, Observer, Site
from bench.loading.environment import resolve_device
from bench.plugins.finding import script_of
from bench.plugins.registry import Registry, attacks, datasets, defenses
from bench.plugins.settings import choices, combinations
from bench.store.store import Store

ALL = "all"
NONE = Labels()


@dataclass(frozen=True)
class Cell:
    """One defense under one attack: what its evaluation did, or the sentence that says why there is none.

    Both are named with the settings that vary over the sweep: 'tmdc step=200', 'aa-linf epsilon=0.1 seed=3'.
    """

    defense: str
    attack: str
    evaluation: Evaluation | None
    problem: str | None

    @property
    def failed(self) -> bool:
        """Whether any of its shards is missing."""
        return self.evaluation is None or bool(self.evaluation.failures)

    @property
    def troubles(self) -> list[str]:
        """Why there is no result, or not the whole of it, in sentences."""
        if self.evaluation is None:
            return [str(self.problem)]
        return [failure.sentence for failure in self.evaluation.failures]


@dataclass(frozen=True)
class Axes:
    """What a sweep goes through: every combination of these is a cell.

    Settings are axes too: a key with several values. None for an epsilon or a seed, of the attack and the noise or of
    the choice of samples, leaves it to the protocol.
    """

    defenses: Sequence[str]
    attacks: Sequence[str]
    defense_settings: Mapping[str, Sequence[str]] = field(default_factory=dict)
    attack_settings: Mapping[str, Sequence[str]] = field(default_factory=dict)
    dataset_settings: Mapping[str, Sequence[str]] = field(default_factory=dict)
    epsilons: Sequence[Fraction | None] = (None,)
    seeds: Sequence[int | None] = (None,)
    sample_seeds: Sequence[int | None] = (None,)

    def rows(self) -> tuple[str, ...]:
        """The cells' defenses, each once, in order."""
        return tuple(row for row, _ in self._defenses())

    def columns(self) -> tuple[str, ...]:
        """The cells' attacks, each once, in order."""
        return tuple(column for column, _ in self._attacks())

    def cells(self, request: Request) -> list[tuple[str, str, Request]]:
        """Row, column and request of every cell, attack by attack, so that images are crafted when theirs begins."""
        return [
            (row, column, replace(request, **defense, **attack))
            for column, attack in self._attacks()
            for row, defense in self._defenses()
        ]

    def spelled_out(self, dataset: str) -> Axes:
        """The same axes, 'all' as the value of a setting replaced by every value that it may have."""
        return replace(
            self,
            defense_settings=_whole(self.defense_settings, defenses, self.defenses),
            attack_settings=_whole(self.attack_settings, attacks, self.attacks),
            dataset_settings=_whole(self.dataset_settings, datasets, (dataset,)),
        )

    def expect(self, dataset: str, source: str | None) -> None:
        """Raise `UsageError` for the first name or file that is not there, and for seeds that are none; no plugin's
        code runs for that."""
        for label, seeds in (("seed", self.seeds), ("sample seed", self.sample_seeds)):
            for seed in seeds:
                checked_seed(label, seed or 0)
        for reference in (*self.defenses, *(name for name in [source] if name not in (None, SELF))):
            _expect(defenses, reference)
        for reference in self.attacks:
            if reference != UNTOUCHED.name:
                _expect(attacks, reference)
        _expect(datasets, dataset)

    def _defenses(self) -> Iterator[tuple[str, dict[str, Any]]]:
        for name in self.defenses:
            for settings in combinations(self.defense_settings):
                row = " ".join([name, *_varied(settings, self.defense_settings)])
                yield row, {"defense": name, "defense_settings": settings}

    def _attacks(self) -> Iterator[tuple[str, dict[str, Any]]]:
        own, data = combinations(self.attack_settings), combinations(self.dataset_settings)
        every = itertools.product(self.sample_seeds, self.attacks, data, own, self.epsilons, self.seeds)
        for sample_seed, name, images, settings, epsilon, seed in every:
            words = [name, *_varied(images, self.dataset_settings), *_varied(settings, self.attack_settings)]
            written = None if epsilon is None else format_epsilon(epsilon)
            numbers = {"epsilon": written, "seed": seed, "sample_seed": sample_seed}
            axes = {"epsilon": self.epsilons, "seed": self.seeds, "sample_seed": self.sample_seeds}
            words += _varied({key: value for key, value in numbers.items() if value is not None}, axes)
            found = {"attack": name, "attack_settings": settings, "epsilon": epsilon, "seed": seed}
            yield " ".join(words), {**found, "dataset_settings": images, "sample_seed": sample_seed}


def choose_defenses(names: Sequence[str]) -> tuple[str, ...]:
    """The defenses of a sweep: those named, or for 'all' every registered one that needs no setting to be given."""
    if ALL not in names:
        return tuple(dict.fromkeys(names))
    if len(names) > 1:
        raise UsageError("--defense all already names every defense; leave the others out.")
    return tuple(listing.name for listing in defenses.listings() if "required" not in listing.settings.values())


def sweep(
    cells: Sequence[tuple[str, str, Request]],
    store: Store,
    observer: Observer,
    device: str,
    labels: Labels = NONE,
    **means: Unpack[Means],
) -> Iterator[Cell]:
    """Evaluate all cells on a device ('auto', or a name) in one queue, yielding each as it ends: first those that
    cannot be planned, then those that are finished already. A cell that fails does not stop the others. The `labels`
    are written on all plans first.

    Raises `StoreError` where the store fails, which ends all."""
    plans = plans_of([request for _, _, request in cells], device)
    found: list[tuple[str, str, Plan]] = []
    for (row, column, _), plan in zip(cells, plans, strict=True):
        if isinstance(plan, BenchError):
            yield Cell(row, column, None, str(plan))
        else:
            found.append((row, column, plan))
    store.labels.add([plan for _, _, plan in found], labels)
    with Site.open(lambda: resolve_device(device), store, observer, **means) as site:
        for position, evaluation in evaluate_all(site, [plan for _, _, plan in found]):
            row, column, _ = found[position]
            yield Cell(row, column, evaluation, None)


def _expect(plugins: Registry[Any], reference: str) -> None:
    name, colon, _ = reference.partition(":")
    if plugins.holds(name):
        return
    if not colon:
        plugins.find(reference)
    elif not reference.endswith(":"):
        script_of(reference)


def _whole(
    settings: Mapping[str, Sequence[str]], plugins: Registry[Any], names: Sequence[str]
) -> dict[str, Sequence[str]]:
    whole = dict(settings)
    for key, values in settings.items():
        if ALL in values:
            found = [choices(plugins.find(name), key) for name in names]
            if not all(found):
                raise UsageError(f"{key}=all needs a setting with a fixed choice of values; name each value of {key}.")
            whole[key] = tuple(dict.fromkeys(value for each in found for value in each))
    return whole


def _varied(settings: Mapping[str, object], axes: Mapping[str, Sequence[object]]) -> list[str]:
    """The settings whose axis has several values, as words."""
    return [f"{key}={value}" for key, value in settings.items() if len(axes[key]) > 1]
