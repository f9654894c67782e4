"""How long the rest of a call takes, as its finished shards and those of the store tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean

from bench.domain.plan import UNTOUCHED, Plan, Shard
from bench.evaluation.running.agenda import Agenda
from bench.evaluation.running.precedent import Precedents, kind_of


@dataclass(frozen=True)
class Kind:
    """What plans have in common that differ in their samples and seeds alone: the defense that is asked, and all else
    that says what it costs (the attack and its budget, and who crafts)."""

    defense: str
    rest: str


@dataclass(frozen=True)
class Lot:
    """Samples that are left of plans of one kind."""

    kind: Kind
    samples: int


def remaining_seconds(lots: Sequence[Lot], rates: Mapping[Kind, float]) -> float | None:
    """Seconds of one worker until all lots are done, at the `rates` in seconds a sample that are known by kind.

    A kind of which nothing is known takes as long as the same rest on other defenses, by how much slower than these
    its defense is at what is known of both; else as the mean of its defense, or of all. None where nothing is known.
    """
    if not rates or not lots:
        return None if lots else 0.0
    known: dict[str, dict[str, float]] = {}
    for kind, rate in rates.items():
        known.setdefault(kind.defense, {})[kind.rest] = rate
    return sum(lot.samples * (rates[lot.kind] if lot.kind in rates else _likely(lot.kind, known)) for lot in lots)


def _likely(wanted: Kind, known: Mapping[str, Mapping[str, float]]) -> float:
    """A rate that nobody has measured, from those by defense and rest."""
    own, found = known.get(wanted.defense, {}), []
    for others in known.values():
        if wanted.rest in others:
            shared = own.keys() & others.keys()
            theirs = sum(others[rest] for rest in shared)
            found.append(others[wanted.rest] * (sum(own[rest] for rest in shared) / theirs if theirs else 1.0))
    return fmean(found or own.values() or (rate for each in known.values() for rate in each.values()))


@dataclass
class Outlook:
    """What is left of an agenda, and what its shards have taken so far; until one of a kind has ended in this call, the
    store's word counts for that kind."""

    agenda: Agenda
    precedents: Precedents
    _kinds: dict[str, Kind] = field(default_factory=dict)
    _stored: dict[Kind, float | None] = field(default_factory=dict)
    _taken: dict[Kind, tuple[int, float]] = field(default_factory=dict)

    def learn(self, plan: Plan, shard: Shard, seconds: float) -> None:
        """A shard has ended after so many seconds of work."""
        samples, before = self._taken.get(self._kind(plan), (0, 0.0))
        self._taken[self._kind(plan)] = samples + len(shard.indices), before + seconds

    def seconds(self, workers: int) -> float | None:
        """Seconds until the last shard is finished by so many workers; None where that cannot be told yet."""
        left = self.agenda.left()
        shards = sum(count for _, count in left)
        lots = [Lot(self._kind(plan), min(count * plan.shard_size, plan.samples)) for plan, count in left]
        for plan, _ in left:
            if self._kind(plan) not in self._stored:
                found = self.precedents.of(plan)
                self._stored[self._kind(plan)] = None if found is None else found.seconds
        rates = {kind: rate for kind, rate in self._stored.items() if rate is not None}
        rates |= {kind: seconds / samples for kind, (samples, seconds) in self._taken.items()}
        work = remaining_seconds(lots, rates)
        return None if work is None else work / max(1, min(workers, shards))

    def _kind(self, plan: Plan) -> Kind:
        if plan.digest not in self._kinds:
            self._kinds[plan.digest] = Kind(str(plan.defense.document()), kind_of(replace(plan, defense=UNTOUCHED)))
        return self._kinds[plan.digest]
