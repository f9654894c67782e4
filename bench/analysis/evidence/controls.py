"""What the harness's own questions on a few rows of a crafting say of its attack, where counts are large enough."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from bench.analysis.evidence.assurance import surrogate
from bench.analysis.evidence.doubt import Blame, Doubt
from bench.stats import binomial_test

if TYPE_CHECKING:
    from bench.domain.facts import Evidence
    from bench.domain.plan import Plan

WORSE = 0.02
"""Two-sided p-value below which a control is beaten the wrong way round; it takes 7 rows that all are."""
MANY = 24
"""Rows from which on an attack has to be shown to beat a control, and not only not to be beaten by it."""
BETTER = 0.4
"""Two-sided p-value up to which many rows count as beating a control."""
FEW = 4
"""Rows below which shares of them mean nothing."""
WORKS = 0.5
"""Share of the rightly classified images from which on an attack that misled them has done its work."""


def controlled(plan: Plan, evidence: Evidence, shards: int, misled: float) -> Iterator[Doubt]:
    """Doubts about an attack by gradient that its controls do not bear out; `misled` is its share of success.

    Who succeeds on half of the images is not asked: an attack that looks for the nearest image leads no further than
    it must. Nor is one that neither took nor meant to take a gradient: blurs and noises are no better than noise.
    """
    counts, name = evidence.controls, plan.attack.name
    taken = sum(evidence.gradients.values())
    if misled >= WORKS or plan.source is not None or not (taken or plan.knowledge != "black-box"):
        return
    # a gradient that is not the classifier's own, or was taken under noise that is gone, is the best there was
    blames: Blame = "evidence" if surrogate(evidence) or evidence.random else "attack"
    above, below = counts.above_noise, counts.below_noise
    if beaten(above, below):
        yield Doubt(
            f"{name} is no better than chance: of {above + below} images that the harness looked at, its proposal "
            f"leads further than random noise of the same budget in {above} and less far in {below}.",
            blames,
        )
    above, below = counts.above_halfway, counts.below_halfway
    if taken > shards and beaten(above, below):
        yield Doubt(
            f"{name} leads nowhere: of {above + below} images that the harness looked at, its proposal is further "
            f"from the true class than the point halfway to it in {above} and nearer in {below}; the gradient may be "
            f"masked.",
            blames,
        )
    asked = counts.gradients
    falling, rising = counts.falling, asked - counts.zero - counts.falling
    if beaten(rising, falling):
        yield Doubt(
            f"The gradient that {name} was given misleads it: a short step along it brings the true class nearer in "
            f"{falling} of {asked} images that the harness looked at.",
            blames,
        )
    if asked >= FEW and 2 * counts.zero > asked:
        yield Doubt(
            f"The gradient that {name} was given is zero in {counts.zero} of {asked} images that the harness looked "
            f"at: use an attack that needs none.",
            blames,
        )
    elif asked >= FEW and 2 * counts.saturated > asked:
        yield Doubt(
            f"The softmax is saturated in {counts.saturated} of {asked} images that the harness looked at, where the "
            f"cross-entropy has no gradient: use an attack by margins."
        )


def beaten(above: int, below: int) -> bool:
    """Whether a control is reached or passed more often than an attack that works would let it; never by few rows.

    The sign test either shows the attack to be worse, or, over many rows, does not show it to be better.
    """
    p = binomial_test(above, above + below)
    if below > above and p < WORSE:
        return True
    return above + below >= MANY and not (above > below and p <= BETTER)
