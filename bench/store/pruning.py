"""Which crafted images nothing needs any more, and their deletion."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.domain.plan import HARNESS
from bench.store.images.artifacts import Kept

if TYPE_CHECKING:
    from bench.domain.defense import Watch
    from bench.store.store import Store

SHOWN = "shown on the page"
AWAITED = "awaited by unfinished plans"
CLAIMED = "of shards that were taken as claims, which they may yet prove or refute"
UNREADABLE = "of plans that cannot be read"
OLDER = "of an older bench, which nobody can craft again"
UNNAMED_SECONDS = 24 * 3600.0
"""The age from which a file that no plan names is no running evaluation's."""


@dataclass(frozen=True)
class Pruning:
    """What pruning would do: files to delete, by reason the files that are kept, and `unnamed` ones that no plan of
    this store names, which are left alone."""

    delete: tuple[Kept, ...]
    keep: dict[str, tuple[Kept, ...]]
    unnamed: tuple[Kept, ...]


def survey(store: Store, shown: Collection[str], *, unnamed: bool = False) -> Pruning:
    """What of the store's crafted images can go: all that its plans name, but for those that the page shows (`shown`,
    by hash), that unfinished plans wait for, that belong to claims, or that cannot be crafted again.

    With `unnamed` also what no plan of this store names, if it is old: another store's, or of a run that was killed.
    Raises `UnreachableError` where the images' place does not answer.
    """
    named, needed = _named(store)
    for sha256 in shown:
        needed.setdefault(sha256, SHOWN)
    delete: list[Kept] = []
    left: list[Kept] = []
    keep: dict[str, list[Kept]] = {}
    for kept in sorted(store.artifacts.kept(), key=lambda kept: kept.sha256):
        if kept.sha256 in needed:
            keep.setdefault(needed[kept.sha256], []).append(kept)
        elif kept.sha256 in named or (unnamed and kept.age > UNNAMED_SECONDS):
            delete.append(kept)
        else:
            left.append(kept)
    return Pruning(tuple(delete), {reason: tuple(files) for reason, files in keep.items()}, tuple(left))


def prune(store: Store, files: Iterable[Kept], watch: Watch) -> int:
    """Delete these files; how many bytes that were."""
    wanted, freed = list(files), 0
    for done, kept in enumerate(wanted):
        watch(done, len(wanted), "deleting")
        store.artifacts.delete(kept.sha256)
        freed += kept.size
    return freed


def _named(store: Store) -> tuple[set[str], dict[str, str]]:
    """The hashes of all shards' images, and those among them that are kept whatever the page shows, with the reason."""
    plans = store.plans()
    shards = {plan.digest: {record.number: record for record in store.shards(plan)} for plan in plans}
    named = {record.perturbed_sha256 for records in shards.values() for record in records.values()}
    owned = store.belongings() if store.skipped else {}
    needed = {image: UNREADABLE for digest in store.skipped if digest in owned for image in owned[digest].images}
    for plan in plans:
        mine, crafting = shards[plan.digest], plan.crafting()
        for record in mine.values():
            if record.claimed:
                needed.setdefault(record.perturbed_sha256, CLAIMED)
            elif plan.harness != HARNESS:
                needed.setdefault(record.perturbed_sha256, OLDER)
        if crafting is not None and len(mine) < len(plan.shards()):
            waiting = shards.get(crafting.digest, {}).items()
            needed.update((record.perturbed_sha256, AWAITED) for number, record in waiting if number not in mine)
    return named, needed
