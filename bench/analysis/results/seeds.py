"""One evaluation under several seeds: their mean and worst, with samples as clusters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from bench.domain.errors import UsageError
from bench.domain.plan import Plan
from bench.stats import Interval, Proportion, clustered_interval

if TYPE_CHECKING:
    from bench.domain.outcomes import Outcomes


@dataclass(frozen=True)
class Spread:
    """Robust accuracy under several seeds of attack and noise; the samples are the same.

    `rates` holds one accuracy a seed. `mean` is over samples and seeds; its `interval` is over samples alone, each of
    which counts once by its mean over the seeds: seeds are no further samples. `worst` is the share of samples that
    survive every seed, a random defense's by their lowest share of right draws.
    """

    seeds: tuple[int, ...]
    rates: tuple[float, ...]
    mean: float
    interval: Interval
    worst: Proportion

    def document(self) -> dict[str, object]:
        """The spread as plain JSON data."""
        return {
            "seeds": list(self.seeds),
            "rates": list(self.rates),
            "mean": self.mean,
            "interval": [self.interval.low, self.interval.high],
            "worst": self.worst.rate,
        }


def spread(runs: Sequence[tuple[Plan, Outcomes]]) -> Spread:
    """The spread of whole runs that differ only in their seed, in the order of the seeds."""
    if len({seedless(plan) for plan, _ in runs}) != 1 or any(len(found) != plan.samples for plan, found in runs):
        raise UsageError("Only finished evaluations that differ in nothing but their seed can be taken together.")
    ordered = sorted(runs, key=lambda run: run[0].seed)
    survived = np.stack([outcomes.robust_rate for _, outcomes in ordered])
    by_sample = survived.mean(0)
    return Spread(
        seeds=tuple(plan.seed for plan, _ in ordered),
        rates=tuple(survived.mean(1).tolist()),
        mean=float(by_sample.mean()),
        interval=clustered_interval(by_sample.tolist()),
        worst=Proportion(survived.min(0).sum().item(), len(by_sample)),
    )


def seedless(plan: Plan) -> str:
    """What is equal exactly for plans that differ in nothing but their seed."""
    return replace(plan, seed=0).digest
