"""Doubts about a row that its own outcomes raise: signs that an attack was too weak, or a number not what it seems."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from bench.report.formats import budget, percent
from bench.stats import mcnemar

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bench.domain.outcomes import Outcomes
    from bench.report.summary import Result

    Judged = tuple[Result, Outcomes]

DOUBT = 0.001
"""The p-value below which two results are taken to differ: far below that of a rank, for many pairs are asked."""
SINGLE = 2.0
"""Backward passes a sample up to which an attack counts as one of a single step."""
FROZEN = 0.05
"""Share of the rightly classified samples that a step may leave exactly as they were."""


def diagnose(judged: Sequence[Judged]) -> tuple[str, ...]:
    """Sentences about what is doubtful in one defense's results on the same samples; none where nothing is.

    Most are the checks for masked gradients of Athalye et al. 2018 (1802.00420, section 3.1) and Carlini et al. 2019
    (1902.06705, section 5), asked of stored outcomes. Incomplete and invalid results are not asked.
    """
    whole = [pair for pair in judged if pair[0].complete and not pair[0].invalid]
    found = itertools.chain(
        _disagreement(judged), *(check(whole) for check in (_draws, _frozen, _masked, _overtaken, _budgets, _gained))
    )
    return tuple(dict.fromkeys(found))


def _disagreement(judged: Sequence[Judged]) -> Iterator[str]:
    """Equal settings give equal clean predictions."""
    if not judged:
        return
    known = max((outcomes for _, outcomes in judged), key=len)
    for _, found in judged:
        _, here, there = np.intersect1d(found.index, known.index, return_indices=True)
        if not np.array_equal(found.clean[here], known.clean[there]):
            yield (
                "Its clean predictions differ from attack to attack, which equal settings on one kind of machine "
                "never give; compare the environments below."
            )
            return


def _draws(judged: Sequence[Judged]) -> Iterator[str]:
    """An image left as it was and predicted otherwise shows a random defense."""
    for result, outcomes in judged:
        same = (outcomes.distance == 0) & np.isnan(outcomes.radius)
        moved = int((same & (outcomes.clean[:, 0] != outcomes.perturbed[:, 0])).sum())
        if result.plan.draws == 1 and moved:
            yield (
                f"The defense is random: of the images that {_name(result)} left as they were, {moved} got another "
                f"class the second time. One draw a sample judges luck too; use --draws 10."
            )
            return


def _frozen(judged: Sequence[Judged]) -> Iterator[str]:
    """A single step of a gradient that is not zero changes the image."""
    for result, outcomes in judged:
        right = outcomes.clean_right.all(1)
        still = int(((outcomes.distance == 0) & right).sum())
        if 0 < result.backwards <= SINGLE and still > FROZEN * right.sum():
            yield (
                f"{_name(result)} left {still} of {int(right.sum())} rightly classified images exactly as they were: "
                f"their gradient is zero, so attacks by gradient say little here."
            )


def _masked(judged: Sequence[Judged]) -> Iterator[str]:
    """Many steps reach at least what one does."""
    seen = [pair for pair in judged if pair[0].assurance in ("white-box", "adaptive") and pair[0].backwards > 0]

    def holds(one: Result, many: Result) -> bool:
        same = one.plan.threat.norm == many.plan.threat.norm and one.plan.threat.epsilon <= many.plan.threat.epsilon
        return same and one.backwards <= SINGLE and many.backwards > 4 * one.backwards

    for one, many in _stronger(seen, seen, holds):
        yield (
            f"{_name(one)} with {one.backwards:.0f} backward pass a sample misleads more often than {_name(many)} with "
            f"{many.backwards:.0f} ({_both(one, many)}): the gradient may be masked, and the worst case too high."
        )


def _overtaken(judged: Sequence[Judged]) -> Iterator[str]:
    """Who sees the gradient reaches at least what others do."""
    blind = [pair for pair in judged if pair[0].assurance in ("black-box", "transfer")]
    seeing = [pair for pair in judged if pair[0].assurance in ("white-box", "adaptive")]

    def holds(one: Result, other: Result) -> bool:
        return one.plan.threat.norm == other.plan.threat.norm and one.plan.threat.epsilon <= other.plan.threat.epsilon

    for one, other in _stronger(blind, seeing, holds):
        yield (
            f"{_name(one)} misleads more often than {_name(other)}, which sees the gradient ({_both(one, other)}): "
            f"the gradient may be masked, and the worst case too high."
        )


def _budgets(judged: Sequence[Judged]) -> Iterator[str]:
    """A larger budget reaches at least what a smaller one does."""

    def holds(one: Result, other: Result) -> bool:
        mine, theirs = one.plan, other.plan
        larger = mine.threat.norm == theirs.threat.norm and mine.threat.epsilon < theirs.threat.epsilon
        return larger and mine.attack == theirs.attack and mine.source == theirs.source

    for one, other in _stronger(judged, judged, holds):
        yield (
            f"{_name(one)} misleads more often than with the larger {budget(other.plan.threat)} ({_both(one, other)}): "
            f"the attack does not find what is there."
        )


def _gained(judged: Sequence[Judged]) -> Iterator[str]:
    """No attack helps."""
    for result, outcomes in judged:
        if not result.certified and _exceeds(outcomes.robust_right, outcomes.clean_right):
            yield (
                f"It is right more often under {_name(result)} than on clean images ({percent(result.robust_accuracy)} "
                f"and {percent(result.clean_accuracy)} %): the attack does not work here, or something reads the label."
            )


def _stronger(
    first: Sequence[Judged], second: Sequence[Judged], holds: Callable[[Result, Result], bool]
) -> Iterator[tuple[Result, Result]]:
    """The pairs for which `holds` and of which the first result leaves fewer samples right, beyond chance."""
    for (one, ours), (other, theirs) in itertools.product(first, second):
        if one is not other and holds(one, other) and _exceeds(theirs.robust_right, ours.robust_right):
            yield one, other


def _exceeds(more: NDArray[np.bool_], less: NDArray[np.bool_]) -> bool:
    """Whether draws (N, draws) of the same samples are right more often, beyond chance."""
    ours, theirs = more.mean(1), less.mean(1)
    wins, losses = int((ours > theirs).sum()), int((ours < theirs).sum())
    return wins > losses and mcnemar(wins, losses) < DOUBT


def _name(result: Result) -> str:
    return f"{result.plan.attack.name} at {budget(result.plan.threat)}"


def _both(one: Result, other: Result) -> str:
    return f"{percent(one.robust_accuracy)} and {percent(other.robust_accuracy)} % still right"
