"""What is left to do for a plan."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bench.domain.plan import Plan, Shard
from bench.store.store import Store


@dataclass(frozen=True)
class Work:
    """What is left to do for a plan: shards whose images must first be crafted on the source, and the others, of which
    `crafted` names the images that the source's plan has crafted already."""

    crafting: Plan | None
    to_craft: tuple[Shard, ...]
    ready: tuple[Shard, ...]
    crafted: Mapping[int, str]


def remaining(
    plan: Plan, store: Store, only: frozenset[int] | None = None, holds: Callable[[str], bool] | None = None
) -> Work:
    """What the store lacks of a plan, or of `only` these shards. Missing or damaged images count as not crafted;
    `holds` says whether images are there, and may remember what it has looked at."""
    holds = holds or store.artifacts.holds
    pending = tuple(shard for shard in store.pending(plan) if only is None or shard.index in only)
    crafting = plan.crafting()
    if crafting is None:
        return Work(None, (), pending, {})
    if not pending:
        return Work(crafting, (), (), {})
    crafted = {record.number: record.perturbed_sha256 for record in store.shards(crafting)}
    usable = {
        shard.index: crafted[shard.index] for shard in pending if shard.index in crafted and holds(crafted[shard.index])
    }
    to_craft = tuple(shard for shard in pending if shard.index not in usable)
    return Work(crafting, to_craft, tuple(shard for shard in pending if shard.index in usable), usable)
