"""Takes plans out of a store, unreadable ones too: what that would do, and what others have of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.domain.errors import UsageError
from bench.domain.plan import Plan

if TYPE_CHECKING:
    from bench.store.images.artifacts import Kept
    from bench.store.rows.belongings import Belongings
    from bench.store.store import Store


@dataclass(frozen=True)
class Removal:
    """What taking a plan out would do; `plan` is None where it cannot be shown, for the `reason` given.

    `images` are files that only the plans that are to go name; `kept` are those of its images that others name, or wait
    for. `labels` counts the tags and notes on it. `judging` are the plans that judge its images,
    `relying` those whose clean predictions it holds.
    """

    digest: str
    plan: Plan | None
    reason: str
    shards: int
    labels: int
    images: tuple[Kept, ...]
    kept: tuple[Kept, ...]
    judging: tuple[Plan, ...]
    relying: tuple[Plan, ...]


def survey(store: Store, prefixes: Sequence[str]) -> list[Removal]:
    """What taking out the plans whose digests start so would do; nothing is changed.

    Raises `UsageError` where none or several start so, or somebody is at work on one of them.
    """
    owned = store.belongings()
    gone = list(dict.fromkeys(store.named(prefix, owned if prefix else ()) for prefix in prefixes))
    held = Counter(claim.plan for claim in store.claims.held())
    busy = [digest for digest in gone if held[digest]]
    if busy:
        raise UsageError(
            f"Somebody is at work on plan {busy[0][:12]}; see {store.hint('status')}, and remove it when nobody is."
        )
    known = {plan.digest: plan for plan in store.plans()}
    others = [plan for digest, plan in known.items() if digest not in gone]
    needed = {image for digest, owns in owned.items() if digest not in gone for image in owns.images}
    for plan in others:
        crafting = plan.crafting()
        if crafting is None or crafting.digest not in gone:
            continue
        if owned[plan.digest].shards * plan.shard_size < plan.samples:
            needed |= owned[crafting.digest].images
    files = {kept.sha256: kept for kept in store.artifacts.kept()}
    return [_removal(store, digest, owned[digest], known.get(digest), others, needed, files) for digest in gone]


def _removal(
    store: Store,
    digest: str,
    owns: Belongings,
    plan: Plan | None,
    others: Sequence[Plan],
    needed: Collection[str],
    files: dict[str, Kept],
) -> Removal:
    written = store.labels.of(digest)
    mine = [files[image] for image in sorted(owns.images) if image in files]
    return Removal(
        digest=digest,
        plan=plan,
        reason=store.skipped.get(digest, "no shard of it is finished"),
        shards=owns.shards,
        labels=sum(map(len, (written.tags, written.notes))),
        images=tuple(kept for kept in mine if kept.sha256 not in needed),
        kept=tuple(kept for kept in mine if kept.sha256 in needed),
        judging=tuple(other for other in others if (other.crafting() or other).digest == digest),
        relying=tuple(other for other in others if other.untouched().digest == digest),
    )
