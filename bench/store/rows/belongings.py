"""What the tables hold under a digest, readable or not, and how it is deleted."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, select

from bench.store.database.schema import ClaimRow, ConflictRow, LabelRow, OutcomesRow, PlanRow, ShardRow


@dataclass(frozen=True)
class Belongings:
    """What a store holds under a digest: so many `shards`, and the hashes of the images that they judged."""

    shards: int
    images: frozenset[str]


def belongings(connection: Connection) -> dict[str, Belongings]:
    """What the tables hold under each digest."""
    found: dict[str, list[Any]] = {str(digest): [] for (digest,) in connection.execute(select(PlanRow.digest))}
    for plan in connection.execute(select(ConflictRow.plan)).scalars():
        found.setdefault(str(plan), [])
    for plan, image in connection.execute(select(ShardRow.plan, ShardRow.perturbed_sha256)):
        found.setdefault(str(plan), []).append(image)
    return {
        digest: Belongings(len(images), frozenset(image for image in images if isinstance(image, str)))
        for digest, images in found.items()
    }


def remove(connection: Connection, digests: Collection[str]) -> None:
    """Delete everything that the tables hold under these digests, within the transaction that the connection is in."""
    for column in (ClaimRow.plan, LabelRow.plan, ConflictRow.plan, ShardRow.plan, PlanRow.digest):
        raw = set(connection.execute(select(column).distinct()).scalars())
        for each in raw:
            if str(each) not in digests:  # an edited digest need not be text
                continue
            mine = column.is_(None) if each is None else column == each
            if column is ShardRow.plan:
                connection.execute(delete(OutcomesRow).where(OutcomesRow.shard.in_(select(ShardRow.id).where(mine))))
            connection.execute(delete(column.class_).where(mine))
