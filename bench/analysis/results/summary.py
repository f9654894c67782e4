"""One plan's outcomes as figures: what a panel, a table, JSON and a page all say of it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from bench.analysis.evidence.assurance import Assurance, assure
from bench.analysis.evidence.doubt import Doubt
from bench.analysis.evidence.doubts import Record, doubts
from bench.analysis.results.accuracy import Accuracy, accuracy, by_epsilon, certified
from bench.domain.errors import UsageError
from bench.domain.facts import Evidence
from bench.domain.labels import Labels
from bench.domain.plan import Plan
from bench.stats import Interval, Proportion

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from bench.analysis.results.seeds import Spread
    from bench.domain.outcomes import Outcomes
    from bench.store.rows.records import Conflict, ShardRecord
    from bench.store.store import Store


@dataclass(frozen=True)
class Result:
    """What the store holds of one plan, summed up; proportions in [0, 1], seconds, bytes.

    `invalid` and `remarks` are the distinct ones, in the order of the shards. `forwards` and `backwards` are passes
    a sample; `seconds` is the sum over shards, `peak_memory` the largest, `finished` (UTC) the newest. `certified` is
    the certified accuracy by radius, empty where nothing was certified; `by_epsilon` the accuracy after the nearest
    misclassified images at parts and multiples of the budget, empty where no attack looked for them. `spread` is what
    the same plan gives under several seeds, where the store holds them; `labels` is what people have written on it.

    `assurance` is what the number is called, `evidence` what the harness observed of all shards (None: an older bench
    measured some), `findings` the doubts that follow from this plan alone. `origins` names the other stores that shards
    were merged from, `claimed` says that some of them could not be checked, `conflicts` are shards that came out
    otherwise elsewhere. `images` holds the SHA-256 of the judged images by shard, `fell_to` how many samples fell to
    each part of an ensemble of attacks, the largest first ("clean": to none, being wrong before; "": to none at all).
    """

    plan: Plan
    clean: Accuracy
    robust: Accuracy
    shards: int
    invalid: tuple[str, ...]
    remarks: tuple[str, ...]
    largest_distance: float
    forwards: float
    backwards: float
    seconds: float
    peak_memory: int
    finished: datetime
    environments: tuple[Mapping[str, Any], ...]
    assurance: Assurance
    evidence: Evidence | None = None
    findings: tuple[Doubt, ...] = ()
    origins: tuple[str, ...] = ()
    claimed: bool = False
    conflicts: tuple[Conflict, ...] = ()
    images: Mapping[int, str] = field(default_factory=dict)
    fell_to: Mapping[str, int] = field(default_factory=dict)
    certified: Mapping[float, Proportion] = field(default_factory=dict)
    by_epsilon: Mapping[float, Proportion] = field(default_factory=dict)
    spread: Spread | None = None
    labels: Labels = field(default_factory=Labels)

    @property
    def n(self) -> int:
        """Samples judged so far."""
        return self.robust.mean.n

    @property
    def complete(self) -> bool:
        """Whether every sample of the plan has been judged."""
        return self.n == self.plan.samples

    @property
    def counts(self) -> bool:
        """Whether it may be ranked, paired and drawn: complete, valid, neither merely claimed nor in dispute."""
        return self.complete and not (self.invalid or self.claimed or self.conflicts)

    @property
    def doubts(self) -> tuple[str, ...]:
        """What is doubtful about it by itself, in sentences; doubts that need other results stand on a row."""
        return tuple(doubt.sentence for doubt in self.findings)

    @property
    def replayed(self) -> int:
        """Images that were judged again in a fresh process."""
        return self.evidence.replayed if self.evidence else 0

    @property
    def audited(self) -> int:
        """Queries of the attack that were put again to a judge."""
        return self.evidence.audited if self.evidence else 0

    @property
    def origin(self) -> str | None:
        """Where it was merged from; None where runs of this store computed all of it."""
        return "; ".join(self.origins) or None

    @property
    def clean_accuracy(self) -> float:
        """Share of clean images classified correctly, averaged over draws."""
        return self.clean.mean.rate

    @property
    def robust_accuracy(self) -> float:
        """Share of perturbed images classified correctly, averaged over draws."""
        return self.robust.mean.rate

    @property
    def clean_interval(self) -> Interval:
        """The 95 % Wilson interval of `clean_accuracy` over samples."""
        return self.clean.mean.interval

    @property
    def interval(self) -> Interval:
        """The 95 % Wilson interval of `robust_accuracy` over samples."""
        return self.robust.mean.interval

    def document(self) -> dict[str, Any]:
        """The result as plain JSON data."""
        plan = self.plan
        return {
            "plan": plan.digest,
            "defense": plan.defense.name,
            "attack": plan.attack.name,
            "dataset": plan.dataset.name,
            "source": plan.source.name if plan.source else None,
            "threat": plan.threat.document(),
            "samples": plan.samples,
            "judged": self.n,
            "complete": self.complete,
            "sample_seed": plan.sample_seed,
            "seed": plan.seed,
            "draws": plan.draws,
            "fixed_noise": plan.fixed_noise,
            "passes": plan.passes,
            "clean_accuracy": self.clean_accuracy,
            "clean_interval": [self.clean_interval.low, self.clean_interval.high],
            "robust_accuracy": self.robust_accuracy,
            "interval": [self.interval.low, self.interval.high],
            "worst_of_draws": self.robust.worst.rate,
            "majority_vote": self.robust.majority.rate,
            "assurance": self.assurance.text,
            "level": self.assurance.level,
            "invalid": list(self.invalid),
            "doubts": list(self.doubts),
            "facts": self.facts,
            "replayed": self.replayed,
            "origin": self.origin,
            "claimed": self.claimed,
            "conflicts": [conflict.document() for conflict in self.conflicts],
            "remarks": list(self.remarks),
            "shards": self.shards,
            "forwards_per_sample": self.forwards,
            "backwards_per_sample": self.backwards,
            "seconds": self.seconds,
            "peak_memory": self.peak_memory,
            "certified_accuracy": {f"{radius:g}": share.rate for radius, share in self.certified.items()},
            "accuracy_by_epsilon": {f"{epsilon:g}": share.rate for epsilon, share in self.by_epsilon.items()},
            "fell_to": dict(self.fell_to),
            "spread": None if self.spread is None else self.spread.document(),
            "tags": list(self.labels.tags),
            "notes": list(self.labels.notes),
        }

    @property
    def facts(self) -> dict[str, Any] | None:
        """What the harness observed, as plain JSON data; None where an older bench measured it."""
        return None if self.evidence is None else self.evidence.document()


def read(store: Store, plan: Plan, outcomes: Outcomes | None = None) -> Result:
    """The figures of a stored plan, whose `outcomes` may have been read already; `UsageError` where no shard of it is
    finished."""
    table, labels = store.table(plan) if outcomes is None else outcomes, store.labels.of(plan.digest)
    return summarise(plan, table, store.shards(plan), store.conflicts(plan), labels)


def summarise(
    plan: Plan,
    outcomes: Outcomes,
    shards: Sequence[ShardRecord],
    conflicts: Sequence[Conflict] = (),
    labels: Labels | None = None,
) -> Result:
    """The figures of a plan from all of its finished shards; `UsageError` where none is finished."""
    n = len(outcomes)
    if not n or not shards:
        raise UsageError(f"No shard of plan {plan.digest[:12]} is finished; evaluate it first.")
    environments = {id(shard.environment): shard.environment for shard in shards}  # of which the store makes few
    distinct = {json.dumps(found, sort_keys=True): found for found in environments.values()}
    invalid = _distinct(shard.invalid for shard in shards if shard.invalid)
    seen = [shard.facts for shard in shards if shard.facts is not None]
    record = Record(
        plan=plan,
        outcomes=outcomes,
        evidence=Evidence.of(seen) if len(seen) == len(shards) else None,
        shards=len(shards),
        backwards=sum(shard.backwards for shard in shards) / n,
        origins=_distinct(shard.origin for shard in shards if shard.origin),
        claimed=any(shard.claimed for shard in shards),
        conflicts=conflicts,
    )
    return Result(
        plan=plan,
        clean=accuracy(outcomes.label, outcomes.clean),
        robust=accuracy(outcomes.label, outcomes.perturbed),
        shards=len(shards),
        invalid=invalid,
        remarks=_distinct(remark for shard in shards for remark in shard.remarks),
        largest_distance=float(outcomes.distance.max()),
        forwards=sum(shard.forwards for shard in shards) / n,
        backwards=record.backwards,
        seconds=sum(shard.seconds for shard in shards),
        peak_memory=max(shard.peak_memory for shard in shards),
        finished=max(shard.finished for shard in shards),
        environments=tuple(distinct.values()),
        assurance=assure(plan, record.evidence, invalid=bool(invalid), claimed=record.claimed),
        evidence=record.evidence,
        findings=doubts(record),
        origins=record.origins,
        claimed=record.claimed,
        conflicts=tuple(conflicts),
        images={shard.number: shard.perturbed_sha256 for shard in shards},
        fell_to=_fell_to(outcomes.fell_to),
        certified=certified(outcomes.radius),
        by_epsilon=by_epsilon(outcomes.minimal, plan.threat.radius),
        labels=labels or Labels(),
    )


def _fell_to(parts: NDArray[np.object_]) -> dict[str, int]:
    """How many samples fell to each part, the largest first, equal ones by name; empty where there are no parts."""
    counts = Counter([part for part in parts.tolist() if part is not None])
    return dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))


def _distinct(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts))
