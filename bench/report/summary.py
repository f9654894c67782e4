"""One plan's outcomes as figures: what a panel, a table, JSON and a page all say of it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.domain.errors import UsageError
from bench.domain.plan import Assurance, Plan
from bench.stats import Interval, Proportion

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bench.domain.outcomes import Outcomes
    from bench.report.seeds import Spread
    from bench.store.records import ShardRecord
    from bench.store.store import Store


RADII = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Radii at which certified accuracy is reported (Cohen et al. 2019, 1902.02918, table 2)."""
SHARES = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0)
"""Parts of the budget at which accuracy by the nearest images is reported."""


@dataclass(frozen=True)
class Accuracy:
    """How often predictions were right, in the four ways in which several draws of a sample can be counted.

    `mean` is what is reported: each sample counts by its share of right draws. `first` counts the first draw alone,
    `worst` the samples that every draw gets right, `majority` those whose label has more votes than any other class.
    With one draw all four are equal.
    """

    mean: Proportion
    first: Proportion
    worst: Proportion
    majority: Proportion


@dataclass(frozen=True)
class Result:
    """What the store holds of one plan, summed up; proportions in [0, 1], seconds, bytes.

    `invalid` and `remarks` are the distinct ones, in the order of the shards. `forwards` and `backwards` are passes
    a sample; `seconds` is the sum over shards, `peak_memory` the largest, `finished` (UTC) the newest. `certified` is
    the certified accuracy by radius, empty where nothing was certified; `by_epsilon` the accuracy after the nearest
    misclassified images at parts and multiples of the budget, empty where no attack looked for them. `spread` is what
    the same plan gives under several seeds, where the store holds them.
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
    certified: Mapping[float, Proportion] = field(default_factory=dict)
    by_epsilon: Mapping[float, Proportion] = field(default_factory=dict)
    spread: Spread | None = None

    @property
    def n(self) -> int:
        """Samples judged so far."""
        return self.robust.mean.n

    @property
    def complete(self) -> bool:
        """Whether every sample of the plan has been judged."""
        return self.n == self.plan.samples

    @property
    def assurance(self) -> Assurance:
        """How strong the evidence is; 'invalid' as soon as one shard left the threat model."""
        return "invalid" if self.invalid else self.plan.assurance

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
            "clean_accuracy": self.clean_accuracy,
            "clean_interval": [self.clean_interval.low, self.clean_interval.high],
            "robust_accuracy": self.robust_accuracy,
            "interval": [self.interval.low, self.interval.high],
            "worst_of_draws": self.robust.worst.rate,
            "majority_vote": self.robust.majority.rate,
            "assurance": self.assurance,
            "invalid": list(self.invalid),
            "remarks": list(self.remarks),
            "shards": self.shards,
            "forwards_per_sample": self.forwards,
            "backwards_per_sample": self.backwards,
            "seconds": self.seconds,
            "peak_memory": self.peak_memory,
            "certified_accuracy": {f"{radius:g}": share.rate for radius, share in self.certified.items()},
            "accuracy_by_epsilon": {f"{epsilon:g}": share.rate for epsilon, share in self.by_epsilon.items()},
            "spread": None if self.spread is None else self.spread.document(),
        }


def read(store: Store, plan: Plan) -> Result:
    """The figures of a stored plan; `UsageError` where no shard of it is finished."""
    return summarise(plan, store.table(plan), store.shards(plan))


def summarise(plan: Plan, outcomes: Outcomes, shards: Sequence[ShardRecord]) -> Result:
    """The figures of a plan from all of its finished shards; `UsageError` where none is finished."""
    n = len(outcomes)
    if not n or not shards:
        raise UsageError(f"No shard of plan {plan.digest[:12]} is finished; evaluate it first.")
    environments = {json.dumps(shard.environment, sort_keys=True): shard.environment for shard in shards}
    return Result(
        plan=plan,
        clean=_accuracy(outcomes.label, outcomes.clean),
        robust=_accuracy(outcomes.label, outcomes.perturbed),
        shards=len(shards),
        invalid=_distinct(shard.invalid for shard in shards if shard.invalid),
        remarks=_distinct(remark for shard in shards for remark in shard.remarks),
        largest_distance=float(outcomes.distance.max()),
        forwards=sum(shard.forwards for shard in shards) / n,
        backwards=sum(shard.backwards for shard in shards) / n,
        seconds=sum(shard.seconds for shard in shards),
        peak_memory=max(shard.peak_memory for shard in shards),
        finished=max(shard.finished for shard in shards),
        environments=tuple(environments.values()),
        certified=_certified(outcomes.radius),
        by_epsilon=_by_epsilon(outcomes.minimal, plan.threat.radius),
    )


def _certified(radii: NDArray[np.float64]) -> dict[float, Proportion]:
    """The share of samples whose label is certified at each of `RADII`; empty where nothing was certified."""
    known = radii[~np.isnan(radii)]
    if not len(known):
        return {}
    return {least: Proportion(int(((known > 0) & (known >= least)).sum()), len(known)) for least in RADII}


def _by_epsilon(minimal: NDArray[np.float64], budget: float) -> dict[float, Proportion]:
    """The share of samples whose nearest misclassified image lies beyond each of `SHARES` of the budget."""
    known = minimal[~np.isnan(minimal)]
    if not len(known):
        return {}
    return {share * budget: Proportion(int((known > share * budget).sum()), len(known)) for share in SHARES}


def _accuracy(labels: NDArray[np.int64], predictions: NDArray[np.int64]) -> Accuracy:
    right = predictions == labels[:, None]

    def share(successes: NDArray[Any]) -> Proportion:
        return Proportion(successes.sum().item(), len(labels))

    return Accuracy(
        mean=share(right.mean(1)),
        first=share(right[:, 0]),
        worst=share(right.all(1)),
        majority=share(_elected(labels, predictions)),
    )


def _elected(labels: NDArray[np.int64], predictions: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether each label has more votes than any other class; a tie is an error."""
    votes = np.stack([(predictions == label).sum(1) for label in np.unique(np.append(predictions, labels))], 1)
    own = (predictions == labels[:, None]).sum(1)
    elected: NDArray[np.bool_] = (own > 0) & ((votes >= own[:, None]).sum(1) == 1)
    return elected


def _distinct(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts))
