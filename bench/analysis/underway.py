"""What is being computed at this moment, by whom, and how long it will take, as leases and finished shards tell."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.domain.plan import Plan
    from bench.store.claims import WorkerRecord
    from bench.store.rows.records import ShardRecord
    from bench.store.store import Store

WINDOW = timedelta(hours=1)
"""The rate is that of the shards that landed in this time."""
SILENT = 60.0
"""After so many seconds without a word a worker is held for dead."""


@dataclass(frozen=True)
class PlanUnderWay:
    """A plan that somebody is at: its shards in all, how many are `stored`, how many are `held` under a lease; `hourly`
    is how many landed in the last hour (or, of younger plans, would in one), `left` the seconds that the rest takes at
    that rate; None where none has landed."""

    plan: Plan
    shards: int
    stored: int
    held: int
    hourly: float | None

    @property
    def left(self) -> float | None:
        """Seconds until the last shard lands."""
        return 3600 * (self.shards - self.stored) / self.hourly if self.hourly else None


@dataclass(frozen=True)
class Standing:
    """The workers of any host, those that were silent for long as well, and the plans that they are at."""

    workers: tuple[WorkerRecord, ...]
    plans: tuple[PlanUnderWay, ...]

    @property
    def alive(self) -> tuple[WorkerRecord, ...]:
        """The workers that have said something of late."""
        return tuple(worker for worker in self.workers if worker.silent <= SILENT)

    @property
    def left(self) -> float | None:
        """Seconds until the last plan is finished; None where it cannot be told yet, or nothing is under way."""
        known = [each.left for each in self.plans if each.left is not None]
        return max(known, default=None) if len(known) == len(self.plans) else None

    def document(self) -> dict[str, Any]:
        """The standing as plain JSON data."""
        return {
            "workers": [{**asdict(worker), "alive": worker in self.alive} for worker in self.workers],
            "plans": [
                {
                    "plan": each.plan.digest,
                    "defense": each.plan.defense.name,
                    "attack": each.plan.attack.name,
                    "shards": each.shards,
                    "stored": each.stored,
                    "held": each.held,
                    "hourly": each.hourly,
                    "seconds_left": each.left,
                }
                for each in self.plans
            ],
            "seconds_left": self.left,
        }


def standing(store: Store, now: datetime | None = None) -> Standing:
    """Who is at work on a store, and on what; `now` is the time in UTC, without a zone, as shards have it."""
    now = now or datetime.now(UTC).replace(tzinfo=None)
    held = Counter(claim.plan for claim in store.claims.held())
    plans = store.under_way(held)
    found = [_underway(plan, held[plan.digest], store.shards(plan), now) for plan in plans]
    return Standing(store.claims.workers(), tuple(found))


def _underway(plan: Plan, held: int, records: Sequence[ShardRecord], now: datetime) -> PlanUnderWay:
    recent = [record for record in records if record.origin is None and now - record.finished <= WINDOW]
    hourly = None
    if recent:
        # of a young plan, the time since its first shard was begun
        begun = min(record.finished - timedelta(seconds=record.seconds) for record in recent)
        hours = min(WINDOW, max(now - begun, timedelta(seconds=1))) / timedelta(hours=1)
        hourly = len(recent) / hours
    return PlanUnderWay(plan, len(plan.shards()), len(records), held, hourly)
