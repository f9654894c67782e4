"""How long the rest of a call takes, as its finished shards and those of the store tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean

from bench.domain.plan import Plan, Shard
from bench.evaluation.agenda import Agenda
from bench.evaluation.precedent import Precedents, kind_of


@dataclass(frozen=True)
class Lot:
    """Samples that are left of plans of one kind, and the defense that they wait for."""

    kind: str
    defense: str
    samples: int


def remaining_seconds(lots: Sequence[Lot], rates: Mapping[str, float], defenses: Mapping[str, str]) -> float | None:
    """Seconds of one worker until all lots are done, at the `rates` in seconds a sample that are known by kind.

    A kind of which nothing is known takes as long as the mean of those of its defense (`defenses` by kind), or of all;
    None where nothing is known at all.
    """
    if not rates or not lots:
        return None if lots else 0.0
    of_defense: dict[str, list[float]] = {}
    for kind, rate in rates.items():
        of_defense.setdefault(defenses[kind], []).append(rate)
    usual = fmean(rates.values())
    means = {defense: fmean(found) for defense, found in of_defense.items()}
    return sum(lot.samples * rates.get(lot.kind, means.get(lot.defense, usual)) for lot in lots)


@dataclass
class Outlook:
    """What is left of an agenda, and what its shards have taken so far; until one of a kind has ended in this call, the
    store's word counts for that kind."""

    agenda: Agenda
    precedents: Precedents
    _kinds: dict[str, str] = field(default_factory=dict)
    _defenses: dict[str, str] = field(default_factory=dict)
    _stored: dict[str, float | None] = field(default_factory=dict)
    _taken: dict[str, tuple[int, float]] = field(default_factory=dict)

    def learn(self, plan: Plan, shard: Shard, seconds: float) -> None:
        """A shard has ended after so many seconds of work."""
        samples, before = self._taken.get(self._kind(plan), (0, 0.0))
        self._taken[self._kind(plan)] = samples + len(shard.indices), before + seconds

    def seconds(self, workers: int) -> float | None:
        """Seconds until the last shard is finished by so many workers; None where that cannot be told yet."""
        left = self.agenda.left()
        shards = sum(count for _, count in left)
        lots = [
            Lot(self._kind(plan), self._defense(plan), min(count * plan.shard_size, plan.samples))
            for plan, count in left
        ]
        for plan, _ in left:
            if self._kind(plan) not in self._stored:
                found = self.precedents.of(plan)
                self._stored[self._kind(plan)] = None if found is None else found.seconds
        rates = {kind: rate for kind, rate in self._stored.items() if rate is not None}
        rates |= {kind: seconds / samples for kind, (samples, seconds) in self._taken.items()}
        work = remaining_seconds(lots, rates, self._defenses)
        return None if work is None else work / max(1, min(workers, shards))

    def _kind(self, plan: Plan) -> str:
        if plan.digest not in self._kinds:
            self._kinds[plan.digest] = kind_of(plan)
            self._defenses[self._kinds[plan.digest]] = self._defense(plan)
        return self._kinds[plan.digest]

    def _defense(self, plan: Plan) -> str:
        return str(plan.defense.document())
