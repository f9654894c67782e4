"""What came of merging a store, for people and as plain data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bench.domain.plan import Plan
from bench.store.rows.records import Conflict


@dataclass(frozen=True)
class Difference:
    """Shards of one plan that came out otherwise in the other store; for that, nothing of the plan was copied."""

    plan: Plan
    conflicts: tuple[Conflict, ...]

    @property
    def shards(self) -> tuple[int, ...]:
        """Which shards contradict each other."""
        return tuple(conflict.number for conflict in self.conflicts)

    def __str__(self) -> str:
        first, *others = self.conflicts
        more = f" So do shards {', '.join(str(other.number) for other in others)}." if others else ""
        return f"{first.sentence}{more} Nothing of this plan was copied."

    def document(self) -> dict[str, Any]:
        """The difference as plain JSON data."""
        return {
            "plan": self.plan.digest,
            "defense": self.plan.defense.name,
            "attack": self.plan.attack.name,
            "dataset": self.plan.dataset.name,
            "shards": list(self.shards),
            "samples": sum(conflict.samples for conflict in self.conflicts),
            "compared": sum(conflict.compared for conflict in self.conflicts),
            "conflicts": [conflict.document() for conflict in self.conflicts],
        }


@dataclass(frozen=True)
class Refusal:
    """Shards of a plan (None: all of them) that were not taken, and why; `claimable` ones can be taken as claims."""

    plan: str
    shards: tuple[int, ...] | None
    sentence: str
    claimable: bool = False

    def __str__(self) -> str:
        return self.sentence

    def document(self) -> dict[str, Any]:
        """The refusal as plain JSON data."""
        shards = None if self.shards is None else list(self.shards)
        return {"plan": self.plan, "shards": shards, "reason": self.sentence, "claimable": self.claimable}


@dataclass(frozen=True)
class Merged:
    """What came of merging one store.

    Of its `plans`, `new_plans` were not here before. `copied` shards are new, `claimed` of them could not be checked,
    `equal` ones were here and the same. `images` counts files of crafted images that were copied, `missing` those that
    neither store holds undamaged. `differences` and `refused` say what was left out, and why.
    """

    location: str
    plans: int
    new_plans: int
    copied: int
    claimed: int
    equal: int
    images: int
    missing: int
    differences: tuple[Difference, ...]
    refused: tuple[Refusal, ...]

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
            "claimed_shards": self.claimed,
            "equal_shards": self.equal,
            "copied_images": self.images,
            "missing_images": self.missing,
            "differences": [difference.document() for difference in self.differences],
            "refused": [refusal.document() for refusal in self.refused],
        }
