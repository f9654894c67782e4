"""Crafts again the images of finished shards that have been deleted or damaged."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Unpack

from bench.domain.plan import HARNESS, Plan
from bench.evaluation.evaluate import evaluate, evaluate_again
from bench.evaluation.images import unlike
from bench.evaluation.running.run import Failure, Means, Observer
from bench.store.others.merge import keeps_images
from bench.store.rows.records import Conflict
from bench.store.store import Store


@dataclass(frozen=True)
class Lacking:
    """A plan that crafts images, and the hashes of those of its `shards` that are missing or damaged, by shard."""

    plan: Plan
    shards: Mapping[int, str]


@dataclass(frozen=True)
class Remade:
    """What came of crafting a plan's images again: the number of shards whose images are back, `conflicts` where others
    came out, and failures."""

    plan: Plan
    shards: int
    conflicts: tuple[Conflict, ...]
    failures: tuple[Failure, ...]


def lacking(plans: Iterable[Plan], store: Store, *, look: bool = False) -> list[Lacking]:
    """What is missing or damaged of the images of these plans' finished shards, by the plan that crafts them: a
    transfer's is that of its source. `look` only whether there are files, which is fast.

    Plans of an older bench are left out: it drew its noise otherwise, and nobody can craft these images again.
    """
    there = store.artifacts.has if look else store.artifacts.holds
    found: dict[str, Lacking] = {}
    for plan in plans:
        crafting = plan.crafting() or plan
        if not keeps_images(crafting) or crafting.harness != HARNESS:
            continue
        records = [record for each in (plan, crafting) for record in store.shards(each)]
        hashes = {record.number: record.perturbed_sha256 for record in records}
        known = found.get(crafting.digest, Lacking(crafting, {})).shards
        gone = {number: sha256 for number, sha256 in hashes.items() if number not in known and not there(sha256)}
        found[crafting.digest] = Lacking(crafting, {**known, **gone})
    return [each for each in found.values() if each.shards]


def remake(
    wanted: Lacking, store: Store, observer: Observer, device: Callable[[], str], **means: Unpack[Means]
) -> Remade:
    """Craft images of finished shards again, and judge them again on the way.

    What came out otherwise than it is stored is a conflict: other outcomes are kept beside those that are stored, other
    images with equal outcomes are only told.
    """
    plan, shards = wanted.plan, wanted.shards
    only = frozenset(shards)
    evaluation, fresh = evaluate_again(
        plan, lambda again: evaluate(plan, again, observer, device, only, **means), store.artifacts.place
    )
    conflicts = store.fill(plan, fresh).conflicts if fresh else ()
    disputed = {conflict.number for conflict in conflicts}
    others = [record for record, _ in fresh if record.number not in disputed]
    back = sum(record.perturbed_sha256 == shards[record.number] for record, _ in fresh)
    return Remade(plan, back, (*conflicts, *unlike(plan, shards, others)), tuple(evaluation.failures))
