"""Whether two results of one shard are the same, whoever computed them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from bench.domain.outcome import Outcome
from bench.domain.plan import Plan
from bench.store.rows.records import HERE, Conflict, ShardRecord, Whole, now

TOLERANCE = 1e-9
"""Distances and radii that differ by no more are equal."""


def contradiction(plan: Plan, mine: Whole, theirs: Whole) -> Conflict | None:
    """How another result of a shard contradicts the one that is kept; None where they agree.

    They agree if both are evidence or neither is, and every sample came out the same. What they cost, what was remarked
    and observed, and where, may differ.
    """
    (kept, outcomes), (other, others) = mine, theirs
    samples = unlike(outcomes, others)
    verdicts = None if (kept.invalid is None) == (other.invalid is None) else (kept.invalid, other.invalid)
    if not samples and verdicts is None:
        return None
    origin = other.origin or HERE
    return Conflict(
        plan=plan.digest,
        number=kept.number,
        origin=origin,
        samples=samples,
        compared=max(len(outcomes), len(others)),
        sentence=_sentence(plan, mine, theirs, samples, origin),
        environment=other.environment,
        found=now(),
    )


def unlike(outcomes: Sequence[Outcome], others: Sequence[Outcome]) -> int:
    """How many samples of a shard came out otherwise in the other result; what one of them lacks counts."""
    differing = sum(not alike(*pair) for pair in zip(outcomes, others, strict=False))
    return differing + abs(len(outcomes) - len(others))


def alike(first: Outcome, second: Outcome) -> bool:
    """Whether a sample came out the same twice. What an older bench did not record is not compared."""
    exact = ("index", "label", "clean", "perturbed")
    measured = ("distance", "radius", "minimal")
    recorded = ("broken_at", "fell_to")
    return (
        all(getattr(first, name) == getattr(second, name) for name in exact)
        and all(close(getattr(first, name), getattr(second, name)) for name in measured)
        and all(
            getattr(first, name) == getattr(second, name)
            for name in recorded
            if getattr(first, name) is not None and getattr(second, name) is not None
        )
    )


def close(first: float | None, second: float | None, tolerance: float = TOLERANCE) -> bool:
    """Whether two distances are the same to rounding; infinite and unknown ones are equal to themselves."""
    if first is None or second is None:
        return first is second
    return math.isclose(first, second, rel_tol=tolerance, abs_tol=tolerance)


def machines(shards: Iterable[ShardRecord]) -> tuple[str, ...]:
    """Where these shards were computed, each device and version of torch once."""
    facts = [shard.environment for shard in shards]
    return tuple(sorted({f"{found.get('device', '?')} with torch {found.get('torch', '?')}" for found in facts}))


def _sentence(plan: Plan, mine: Whole, theirs: Whole, samples: int, origin: str) -> str:
    (kept, outcomes), (other, _) = mine, theirs
    what = [f"{samples} of {len(outcomes)} samples"] if samples else []
    if kept.invalid is not None and other.invalid is None:
        what.append(f"the verdict (invalid here: {kept.invalid.rstrip('.')})")
    elif kept.invalid is None and other.invalid is not None:
        what.append(f"the verdict (invalid there: {other.invalid.rstrip('.')})")
    (here,), (there,) = machines([kept]), machines([other])
    if here == there:
        where = f"both computed on {here}, where equal plans should give equal outcomes"
    else:
        where = f"computed on {here} here, on {there} there"
    differ = "differ" if samples else "differs"
    return (
        f"{' and '.join(what)} of {plan.defense.name} under {plan.attack.name} on {plan.dataset.name} {differ} in "
        f"{origin} (plan {plan.digest[:12]}, shard {kept.number}): {where}. What was stored first was kept."
    )
