"""Whether images that were crafted again are those that are recorded, as their hashes tell."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from bench.domain.plan import Plan
from bench.store.rows.records import HERE, Conflict, ShardRecord, now
from bench.store.store import Store


def crafted_otherwise(plan: Plan, numbers: Collection[int], store: Store) -> list[Conflict]:
    """Where the images that these shards of a transfer plan were just judged on are not those that its source's plan
    has crafted before."""
    crafting = plan.crafting()
    if crafting is None or not numbers:
        return []
    recorded = {record.number: record.perturbed_sha256 for record in store.shards(crafting)}
    return list(unlike(crafting, recorded, (shard for shard in store.shards(plan) if shard.number in numbers)))


def unlike(plan: Plan, recorded: Mapping[int, str], fresh: Iterable[ShardRecord]) -> Iterator[Conflict]:
    """A conflict for each of these shards of a plan whose images have another hash than the one recorded for it; what
    has none recorded is new."""
    for record in fresh:
        before = recorded.get(record.number, record.perturbed_sha256)
        if record.perturbed_sha256 != before:
            yield Conflict(
                plan=plan.digest,
                number=record.number,
                origin=HERE,
                samples=0,
                compared=0,
                sentence=(
                    f"The images that {plan.attack.name} crafted again on {plan.defense.name} (plan "
                    f"{plan.digest[:12]}, shard {record.number}) are not those that are recorded: their hash is "
                    f"{record.perturbed_sha256[:12]}, not {before[:12]}. Equal plans craft equal images on the same "
                    f"kind of device with the same libraries; see what differs with `bench show`."
                ),
                environment=record.environment,
                found=now(),
            )
