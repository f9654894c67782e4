"""What one plan's outcomes give away, without a word of the attack or of the defense."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from bench.analysis.notation import budget, percent
from bench.domain.outcomes import rates
from bench.stats import mcnemar

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bench.domain.outcomes import Outcomes
    from bench.domain.plan import Plan

DOUBT = 0.001
"""The p-value below which two results are taken to differ: far below that of a rank, for many pairs are asked."""
SINGLE = 2.0
"""Backward passes a sample up to which an attack counts as one of a single step."""
FROZEN = 0.05
"""Share of the rightly classified samples that a step may leave exactly as they were."""


def misled(outcomes: Outcomes) -> float:
    """The share of the rightly classified samples that most draws get wrong once they are perturbed."""
    right = outcomes.clean_rate > 0.5
    return float((outcomes.robust_rate[right] < 0.5).mean()) if right.any() else 1.0


def idle(outcomes: Outcomes) -> bool:
    """Whether every rightly classified image is still exactly what it was."""
    right = outcomes.clean_right.any(1)
    return bool(right.any() and (outcomes.distance[right] == 0).all() and np.isnan(outcomes.radius).all())


def gained(plan: Plan, outcomes: Outcomes) -> Iterator[str]:
    """No attack helps."""
    if exceeds(outcomes.robust_right, outcomes.clean_right):
        shares = [percent(float(right.mean())) for right in (outcomes.robust_right, outcomes.clean_right)]
        yield (
            f"It is right more often under {named(plan)} than on clean images ({shares[0]} and {shares[1]} %): the "
            f"attack does not work here, or something reads the label."
        )


def restless(plan: Plan, outcomes: Outcomes) -> Iterator[str]:
    """An image left as it was and predicted otherwise shows a random defense."""
    same = (outcomes.distance == 0) & np.isnan(outcomes.radius)
    moved = int((same & (outcomes.clean != outcomes.perturbed).any(1)).sum())
    if moved:
        advice = " One draw a sample judges luck too; use --draws 10." if plan.draws == 1 else ""
        yield (
            f"The defense is random: of the images that {named(plan)} left as they were, {moved} got another class "
            f"the second time.{advice}"
        )


def stuck(plan: Plan, outcomes: Outcomes, backwards: float) -> Iterator[str]:
    """A single step of a gradient that is not zero changes the image."""
    right = outcomes.clean_right.all(1)
    still = int(((outcomes.distance == 0) & right).sum())
    if 0 < backwards <= SINGLE and still > FROZEN * right.sum():
        yield (
            f"{named(plan)} left {still} of {int(right.sum())} rightly classified images exactly as they were: their "
            f"gradient is zero, so attacks by gradient say little here."
        )


def exceeds(more: NDArray[np.bool_], less: NDArray[np.bool_]) -> bool:
    """Whether draws (N, draws) of the same samples are right more often, beyond chance.

    Samples are compared by their share of right draws, or by the majority where the numbers of draws differ, for a
    share of ten is rarely a whole one.
    """
    ours, theirs = rates(more), rates(less)
    if more.shape[1] != less.shape[1]:
        ours, theirs = (ours > 0.5).astype(np.float64), (theirs > 0.5).astype(np.float64)
    wins, losses = int((ours > theirs).sum()), int((ours < theirs).sum())
    return wins > losses and mcnemar(wins, losses) < DOUBT


def named(plan: Plan) -> str:
    """An attack with its budget, and whose images these are if not the defense's own."""
    source = f" with images from {plan.source.name}" if plan.source else ""
    return f"{plan.attack.name} at {budget(plan.threat)}{source}"
