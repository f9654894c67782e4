"""Specs become plugins in memory: checked against what their plan holds, loaded in a seeded scope, kept by content."""

from __future__ import annotations

import gc
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from bench.domain.blame import blame, is_out_of_memory
from bench.domain.errors import BenchError, PluginError, WeightsError
from bench.loading.determinism import exact, seeded
from bench.loading.memory import free_share, let_go
from bench.plugins.registry import attacks, defenses

if TYPE_CHECKING:
    from bench.domain.attack import Attack
    from bench.domain.dataset import Task
    from bench.domain.defense import Classifier
    from bench.domain.plan import Spec

T = TypeVar("T")

KEPT = 8
"""How many classifiers stay in the memory of one process at most."""
FREE = 0.5
"""The share of the device's memory that must be free for others to stay when one is loaded."""


class Shelf:
    """The plugins that one process has loaded; a classifier is known by its content, and the one that was asked for
    longest ago leaves first, when there are `KEPT` or the device's memory is short.

    What cannot be loaded once is not tried again.
    """

    def __init__(self, device: str) -> None:
        self.device = device
        self._classifiers: dict[str, Classifier] = {}
        self._unusable: dict[str, BenchError] = {}

    def classifier(self, spec: Spec, task: Task) -> Classifier:
        """The classifier of a spec, ready on the device. Raises what `load_defense` raises."""
        key = _key(spec, task)
        if key in self._unusable:
            raise self._unusable[key]
        if key not in self._classifiers:
            while len(self._classifiers) >= KEPT or (self._classifiers and free_share(self.device) < FREE):
                self._drop([next(iter(self._classifiers))])
            try:
                self._classifiers[key] = load_defense(spec, task, self.device)
            except BenchError as error:
                error.local = True
                self._unusable[key] = error
                raise
        self._classifiers[key] = self._classifiers.pop(key)
        return self._classifiers[key]

    def fitted(self, spec: Spec, task: Task, run: Callable[[Classifier], T]) -> tuple[T, tuple[str, ...]]:
        """What `run` makes of the classifier, and remarks; out of memory, it starts again, alone and then in smaller
        chunks.

        A classifier that had to shrink is not kept, so that what it does next hangs on nobody's past. Raises
        `PluginError` where even the smallest chunks do not fit.
        """
        remarks: list[str] = []
        try:
            while True:
                classifier = self.classifier(spec, task)
                try:
                    with exact(self.device):
                        return run(classifier), tuple(remarks)
                except (MemoryError, RuntimeError) as error:
                    if not is_out_of_memory(error):
                        raise
                    if self._drop([key for key in self._classifiers if key != _key(spec, task)]):
                        continue
                    smaller = classifier.shrink()
                    if smaller is None:
                        large = PluginError(
                            f"{spec.name} does not fit into the memory of {self.device} even in the smallest chunks; "
                            f"give it smaller shards or another --device."
                        )
                        large.local = True
                        raise large from error
                    remarks.append(f"Out of memory on {self.device}: the shard was run again in {smaller}.")
        finally:
            if remarks:
                self._classifiers.pop(_key(spec, task), None)

    def _drop(self, keys: list[str]) -> bool:
        """Give the memory of these classifiers back; whether there were any."""
        for key in keys:
            del self._classifiers[key]
        if keys:
            gc.collect()
            let_go(self.device)
        return bool(keys)


def load_attack(spec: Spec) -> Attack:
    """The attack of a spec; `PluginError` where its code is not that of the plan."""
    attack = attacks.make(spec.reference, spec.settings)
    if not _is_same(attacks.spec(spec.reference, attack), spec):
        other = PluginError(
            f"The code or a setting of {spec.name} is not what this plan was made for; make the plan anew by running "
            f"`bench evaluate` again."
        )
        other.local = True
        raise other
    return attack


def load_defense(spec: Spec, task: Task, device: str) -> Classifier:
    """The classifier of a spec, its code and its weights' hashes checked against the spec's.

    Raises `WeightsError` where they are others, and `PluginError` where it does not load.
    """
    import torch

    from bench.domain.defense import Classifier

    defense = defenses.make(spec.reference, spec.settings)
    if not _is_same(defenses.spec(spec.reference, defense, task), spec):
        raise WeightsError(
            f"The weights, the code or the version of {spec.name} or of one of its parts are not those this plan was "
            f"made for; make the plan anew by running `bench evaluate` again."
        )
    rng = torch.Generator(device).manual_seed(0)  # layers that are initialised before they are loaded draw from it
    with exact(device), seeded(rng, device), blame(spec.name):
        classifier = defense.load(task, device)
    if not isinstance(classifier, Classifier):
        raise PluginError(f"{spec.name} loaded {type(classifier).__name__}; load() must return a bench.Classifier.")
    return classifier


def _is_same(found: Spec, planned: Spec) -> bool:
    """Whether two specs are one by content; as text, for a plan out of a store holds lists where tuples were."""
    first, second = (json.dumps(spec.document(), sort_keys=True) for spec in (found, planned))
    return first == second


def _key(spec: Spec, task: Task) -> str:
    return json.dumps([spec.document(), task.dataset, task.classes, task.shape], sort_keys=True)
