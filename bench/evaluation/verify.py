"""Runs a stored plan again, stores nothing, and compares sample by sample."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Unpack

from bench.domain.errors import UsageError
from bench.domain.outcome import Outcome
from bench.domain.plan import HARNESS, Plan
from bench.evaluation.evaluate import evaluate, evaluate_again
from bench.evaluation.running.run import Means, Observer
from bench.store.store import Store


@dataclass(frozen=True)
class Verification:
    """How many samples were compared, and the data set's indices of those that came out otherwise."""

    plan: Plan
    samples: int
    different: list[int]


def verify_plan(
    plan: Plan,
    store: Store,
    observer: Observer,
    device: Callable[[], str],
    shards: int | None = None,
    **means: Unpack[Means],
) -> Verification:
    """Evaluate the plan in a store of its own, crafting included, and compare with what is stored.

    `shards` limits the work to the first so many. Raises `UsageError` when a shard fails or none is stored, and
    for the plan of an older bench.
    """
    if plan.harness != HARNESS:
        raise UsageError(
            f"Plan {plan.digest[:12]} was measured by an older bench, which drew its noise otherwise; evaluate it "
            f"again instead of verifying it."
        )
    stored = {outcome.index: outcome for outcome in store.outcomes(plan)}
    numbers = [record.number for record in store.shards(plan)][:shards]
    if not numbers:
        raise UsageError(f"No shard of plan {plan.digest[:12]} is stored; evaluate it first.")
    only = frozenset(numbers)
    evaluation, found = evaluate_again(plan, lambda again: evaluate(plan, again, observer, device, only, **means))
    if evaluation.failures:
        raise UsageError(f"The plan could not be run again: {evaluation.failures[0].sentence}")
    fresh = [outcome for _, outcomes in found for outcome in outcomes]
    return Verification(plan, len(fresh), [new.index for new in fresh if _differ(stored[new.index], new)])


def _differ(stored: Outcome, new: Outcome) -> bool:
    """Whether a sample came out otherwise; what was not recorded yet when it was stored is not compared."""
    minimal = None if stored.minimal is None else new.minimal
    broken_at = None if stored.broken_at is None else new.broken_at
    fell_to = None if stored.fell_to is None else new.fell_to
    return replace(new, minimal=minimal, broken_at=broken_at, fell_to=fell_to) != stored
