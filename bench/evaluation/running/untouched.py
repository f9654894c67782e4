"""What is known of the predictions of untouched images, and which shard is finding them out for all others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bench.domain.outcome import ShardResult
from bench.domain.plan import Plan
from bench.evaluation.running.agenda import Trip
from bench.store.store import Store

Known = tuple[Mapping[int, tuple[int, ...]], str | None]
"""Predictions of untouched images by sample, and why they are no evidence, if they are none."""


@dataclass
class Untouched:
    """Keeps untouched images from being judged twice: who comes second waits for who came first."""

    store: Store
    _digests: dict[str, str] = field(default_factory=dict)
    _known: dict[str, dict[int, Known]] = field(default_factory=dict)
    _holders: dict[tuple[str, int], Trip] = field(default_factory=dict)
    _parked: dict[tuple[str, int], list[Trip]] = field(default_factory=dict)

    def known(self, trip: Trip) -> Known | None:
        """What the store holds of a shard's untouched images; what could not be checked is judged anew."""
        return self._of(trip.plan).get(trip.shard.index)

    def is_free(self, trip: Trip) -> bool:
        """Whether a shard may judge its untouched images; where another is at them it is kept, until `settled`."""
        key = self._digest(trip.plan), trip.shard.index
        if self._holders.setdefault(key, trip) is trip:
            return True
        self._parked.setdefault(key, []).append(trip)
        return False

    def learn(self, plan: Plan, result: ShardResult) -> None:
        """Untouched images of a plan were judged."""
        predictions = {each.index: each.perturbed for each in result.outcomes}
        self._of(plan)[result.index] = predictions, _doubted(plan, result.invalid)

    def settled(self, trip: Trip) -> list[Trip]:
        """A shard has ended; the shards that waited for it."""
        key = self._digest(trip.plan), trip.shard.index
        if self._holders.get(key) is not trip:
            return []
        del self._holders[key]
        return self._parked.pop(key, [])

    def _of(self, plan: Plan) -> dict[int, Known]:
        digest = self._digest(plan)
        if digest not in self._known:
            untouched = plan.untouched()
            records = self.store.shards(untouched)
            # Asked for second: of a shard that another run stores in between, it is the record that must be missing.
            predictions = self.store.predictions(untouched)
            self._known[digest] = {
                record.number: (predictions, _doubted(plan, record.invalid)) for record in records if not record.claimed
            }
        return self._known[digest]

    def _digest(self, plan: Plan) -> str:
        """The digest of a plan's untouched images, found out once."""
        if plan.digest not in self._digests:
            self._digests[plan.digest] = plan.untouched().digest
        return self._digests[plan.digest]


def _doubted(plan: Plan, invalid: str | None) -> str | None:
    return None if invalid is None else f"The clean predictions of {plan.defense.name} are no evidence: {invalid}"
