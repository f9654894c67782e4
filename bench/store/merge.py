"""Brings another store's results into this one: what is missing is copied, what both hold is compared."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.domain.errors import BenchError, UsageError
from bench.domain.outcomes import Outcomes
from bench.domain.plan import Plan
from bench.domain.victim import ignore

if TYPE_CHECKING:
    from bench.domain.defense import Watch
    from bench.domain.outcome import Outcome
    from bench.store.lend import Lent
    from bench.store.records import ShardRecord
    from bench.store.store import Store

TOLERANCE = 1e-9
"""Distances and radii that differ by no more are equal."""


@dataclass(frozen=True)
class Difference:
    """Samples of one plan that came out otherwise in the other store, and where they were computed."""

    plan: Plan
    location: str
    shards: tuple[int, ...]
    samples: int
    compared: int
    here: tuple[str, ...]
    there: tuple[str, ...]

    def __str__(self) -> str:
        plan, shards = self.plan, ", ".join(map(str, self.shards))
        here, there = " and ".join(self.here), " and ".join(self.there)
        if here == there:
            where = f"both computed on {here}, where equal plans should give equal outcomes"
        else:
            where = f"computed on {here} here, on {there} there"
        return (
            f"{self.samples} of {self.compared} samples of {plan.defense.name} under {plan.attack.name} on "
            f"{plan.dataset.name} differ from those in {self.location} (plan {plan.digest[:12]}, "
            f"shard{'s' if len(self.shards) > 1 else ''} {shards}): {where}. The ones here were kept."
        )

    def document(self) -> dict[str, Any]:
        """The difference as plain JSON data."""
        return {
            "plan": self.plan.digest,
            "defense": self.plan.defense.name,
            "attack": self.plan.attack.name,
            "dataset": self.plan.dataset.name,
            "shards": list(self.shards),
            "samples": self.samples,
            "compared": self.compared,
            "here": list(self.here),
            "there": list(self.there),
        }


@dataclass(frozen=True)
class Merged:
    """What came of merging one store.

    Of its `plans`, `new_plans` were not here before. `copied` shards are new, `equal` ones were here and the same.
    `images` counts files of crafted images that were copied, `missing` those that neither store holds undamaged.
    `refused` says of each plan that was left out why.
    """

    location: str
    plans: int
    new_plans: int
    copied: int
    equal: int
    images: int
    missing: int
    differences: tuple[Difference, ...]
    refused: tuple[str, ...]

    @property
    def agrees(self) -> bool:
        """Whether everything in the other store could be taken, and nothing contradicts what was here."""
        return not self.differences and not self.refused

    def document(self) -> dict[str, Any]:
        """The same as plain JSON data."""
        return {
            "from": self.location,
            "plans": self.plans,
            "new_plans": self.new_plans,
            "copied_shards": self.copied,
            "equal_shards": self.equal,
            "copied_images": self.images,
            "missing_images": self.missing,
            "differences": [difference.document() for difference in self.differences],
            "refused": list(self.refused),
        }


def merge(store: Store, other: Lent, watch: Watch = ignore) -> Merged:
    """Copy the shards that this store lacks, and compare those that both have, plan by plan.

    A plan is one transaction. What is here already is never changed, so that merging again does nothing more. Crafted
    images come along by their hash.
    """
    if store.path is not None and store.path.samefile(other.path):
        raise UsageError(f"{other.location} is the store that is merged into; give another one.")
    documents = other.store.documents()
    if not documents:
        raise UsageError(f"{other.location} holds no results, so that there is nothing to merge; check the file.")
    known = set(store.documents())
    taken: list[_Taken] = []
    refused: list[str] = []
    for done, (digest, document) in enumerate(documents.items()):
        watch(done, len(documents), f"plan {digest[:12]}")
        try:
            taken.append(_take(store, other, digest, document))
        except _UnfitError as reason:
            refused.append(f"Plan {digest[:12]} of {other.location} was left out: {reason}.")
    watch(len(documents), len(documents), "crafted images")
    images = {name for plan in taken for name in plan.images}
    lacking = [name for name in sorted(images) if not store.artifacts.holds(name)]
    adopted = sum(store.artifacts.adopt(name, other.artifacts) for name in lacking)
    return Merged(
        location=other.location,
        plans=len(documents),
        new_plans=sum(plan.digest not in known for plan in taken),
        copied=sum(plan.copied for plan in taken),
        equal=sum(plan.equal for plan in taken),
        images=adopted,
        missing=len(lacking) - adopted,
        differences=tuple(plan.difference for plan in taken if plan.difference),
        refused=tuple(refused),
    )


@dataclass(frozen=True)
class _Taken:
    """What came of one plan; `images` names the crafted images that should be here now."""

    digest: str
    copied: int
    equal: int
    difference: Difference | None
    images: frozenset[str]


class _UnfitError(Exception):
    """What another store says of a plan cannot be believed."""


def _take(store: Store, other: Lent, digest: str, document: Mapping[str, Any]) -> _Taken:
    plan = _plan(digest, document)
    shards, theirs = _shards(other, plan)
    mine, before = store.table(plan), store.shards(plan)
    if before and mine.clean.shape[1] != theirs.clean.shape[1]:
        raise _UnfitError(f"its samples have {theirs.clean.shape[1]} draws each, those here {mine.clean.shape[1]}")
    unlike = _unlike(plan, mine, theirs) if before else {}
    differing = {number for number, count in unlike.items() if count}
    difference = None
    if differing:
        difference = Difference(
            plan=plan,
            location=other.location,
            shards=tuple(sorted(differing)),
            samples=sum(unlike.values()),
            compared=len(np.intersect1d(mine.index, theirs.index)),
            here=_machines(shard for shard in before if shard.number in differing),
            there=_machines(shard for shard, _ in shards if shard.number in differing),
        )
    return _Taken(
        digest=digest,
        copied=store.fill(plan, shards),
        equal=len(unlike) - len(differing),
        difference=difference,
        images=frozenset(shard.perturbed_sha256 for shard, _ in shards if shard.number not in differing),
    )


def _plan(digest: str, document: Mapping[str, Any]) -> Plan:
    """The plan that a document describes, if it is the one of this digest."""
    try:
        plan = Plan.from_document(document)
        matches = plan.digest == digest and len(plan.indices) == plan.samples
    except (BenchError, KeyError, TypeError, ValueError) as error:
        raise _UnfitError(f"it cannot be read ({error})") from None
    if not matches:
        raise _UnfitError("its digest is not that of what it describes")
    return plan


def _shards(other: Lent, plan: Plan) -> tuple[list[tuple[ShardRecord, Sequence[Outcome]]], Outcomes]:
    """The other store's shards of a plan, with their outcomes, which are also given as arrays."""
    drawn = {shard.index: shard.indices for shard in plan.shards()}
    records = other.store.shards(plan)
    try:
        outcomes = other.store.outcomes(plan)
        theirs = Outcomes.of(outcomes)
    except (TypeError, ValueError) as error:
        raise _UnfitError(f"its outcomes cannot be read ({error})") from None
    expected = [sample for record in records for sample in drawn.get(record.number, ())]
    if theirs.index.tolist() != expected or not {record.number for record in records} <= set(drawn):
        raise _UnfitError("its samples are not those that it draws")
    remaining = iter(outcomes)
    return [(record, list(islice(remaining, len(drawn[record.number])))) for record in records], theirs


def _unlike(plan: Plan, mine: Outcomes, theirs: Outcomes) -> dict[int, int]:
    """How many samples of each shard that both have came out otherwise."""
    _, here, there = np.intersect1d(mine.index, theirs.index, assume_unique=True, return_indices=True)
    unlike = mine.label[here] != theirs.label[there]
    for name in ("clean", "perturbed"):
        unlike |= (getattr(mine, name)[here] != getattr(theirs, name)[there]).any(1)
    for name in ("distance", "radius", "minimal"):
        pair = (getattr(mine, name)[here], getattr(theirs, name)[there])
        unlike |= ~np.isclose(*pair, rtol=0, atol=TOLERANCE, equal_nan=True)
    by_sample = dict(zip(mine.index[here].tolist(), unlike.tolist(), strict=True))
    return {
        shard.index: sum(by_sample[sample] for sample in shard.indices)
        for shard in plan.shards()
        if shard.indices[0] in by_sample
    }


def _machines(shards: Iterable[ShardRecord]) -> tuple[str, ...]:
    """Where these shards were computed, each device and version of torch once."""
    facts = [shard.environment for shard in shards]
    return tuple(sorted({f"{found.get('device', '?')} with torch {found.get('torch', '?')}" for found in facts}))
