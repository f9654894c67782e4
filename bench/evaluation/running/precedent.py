"""What a store knows of the cost of plans that are a given one but for their samples and seeds."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.domain.plan import Plan
from bench.store.rows.records import Cost
from bench.store.store import Store

OF_THE_CHOICE = ("size", "images", "samples", "sampling", "sample_seed", "seed")
"""What of a plan says which samples and which chance, and not what is done to them."""


@dataclass(frozen=True)
class Precedent:
    """What finished shards took: `samples` in all, forward and backward passes a sample, peak memory in bytes.

    `seconds` of one worker a sample are those of the `timed` samples that ran on the same device; None where none did.
    """

    samples: int
    forwards: float
    backwards: float
    peak_memory: int
    timed: int
    seconds: float | None


@dataclass
class Precedents:
    """The finished shards of a store by the kind of their plans, read when first asked for."""

    store: Store
    _kinds: dict[str, list[tuple[str, Mapping[str, Any]]]] = field(default_factory=dict)
    _costs: dict[str, Sequence[tuple[int, Cost]]] = field(default_factory=dict)

    def of(self, plan: Plan, device: str | None = None) -> Precedent | None:
        """What plans of this one's kind took, this one among them; None where no shard of any is finished.

        Only what ran on `device` is timed; where that is None, whatever ran into this store.
        """
        found = self._found(kind_of(plan))
        samples = sum(count for count, _ in found)
        if not samples:
            return None
        timed = [(count, cost) for count, cost in found if cost.device and device in (None, cost.device)]
        many = sum(count for count, _ in timed)
        return Precedent(
            samples=samples,
            forwards=sum(cost.forwards for _, cost in found) / samples,
            backwards=sum(cost.backwards for _, cost in found) / samples,
            peak_memory=max(cost.peak_memory for _, cost in found),
            timed=many,
            seconds=sum(cost.seconds for _, cost in timed) / many if many else None,
        )

    def _found(self, kind: str) -> Sequence[tuple[int, Cost]]:
        if not self._kinds:
            for digest, document in self.store.documents().items():
                self._kinds.setdefault(_kind(document), []).append((digest, document))
        if kind not in self._costs:
            self._costs[kind] = [
                (min(document["shard_size"], document["samples"] - cost.number * document["shard_size"]), cost)
                for digest, document in self._kinds.get(kind, ())
                for cost in self.store.costs(digest)
            ]
        return self._costs[kind]


def kind_of(plan: Plan) -> str:
    """What plans have in common that differ in their samples and seeds alone."""
    return _kind(plan.document())


def _kind(document: Mapping[str, Any]) -> str:
    """As text, for a plan out of a store holds lists where tuples were."""
    return json.dumps({name: part for name, part in document.items() if name not in OF_THE_CHOICE}, sort_keys=True)
