"""Doubts about a row that its own outcomes raise: signs that an attack was too weak, or a number not what it seems."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from bench.analysis.evidence.signs import SINGLE, exceeds, named
from bench.analysis.notation import budget, percent

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bench.analysis.results.entries import Judged
    from bench.analysis.results.summary import Result
    from bench.domain.outcomes import Outcomes
    from bench.domain.threat import ThreatModel

    Places = slice | NDArray[np.int64]


def diagnose(judged: Sequence[Judged], elsewhere: Sequence[Judged] = ()) -> tuple[str, ...]:
    """Sentences about what is doubtful in one defense's results on the same samples taken together; none where nothing
    is.

    Most are the checks for masked gradients of Athalye et al. 2018 (1802.00420, section 3.1) and Carlini et al. 2019
    (1902.06705, section 5), asked of stored outcomes. `elsewhere` are further results of the same defense on the same
    data set, of other boards, sources and seeds; what they share with these is compared. Results that do not count are
    not asked. What one result says by itself is in `Result.findings`.
    """
    whole = [pair for pair in judged if pair[0].counts]
    others = [pair for pair in elsewhere if pair[0].counts]
    found = itertools.chain(_disagreement(judged), _masked(whole), _overtaken(whole, others), _budgets(whole))
    return tuple(dict.fromkeys(found))


def _disagreement(judged: Sequence[Judged]) -> Iterator[str]:
    """Equal settings give equal clean predictions; other benches drew a random defense's noise otherwise."""
    newest = max((result.plan.harness for result, _ in judged), default="")
    alike = [outcomes for result, outcomes in judged if result.plan.harness == newest]
    if not alike:
        return
    known = max(alike, key=len)
    for found in alike:
        here, there = _shared(found, known)
        if not np.array_equal(found.clean[here], known.clean[there]):
            yield (
                "Its clean predictions differ from attack to attack, which equal settings on one kind of machine "
                "never give; compare the environments below."
            )
            return


def _masked(judged: Sequence[Judged]) -> Iterator[str]:
    """Many steps reach at least what one does."""
    seen = [pair for pair in judged if pair[0].assurance.sees_gradient and pair[0].backwards > 0]

    def holds(one: Result, many: Result) -> bool:
        same = one.plan.threat.norm == many.plan.threat.norm and one.plan.threat.epsilon <= many.plan.threat.epsilon
        return same and one.backwards <= SINGLE and many.backwards > 4 * one.backwards

    for one, many in _stronger(seen, seen, holds):
        yield (
            f"{named(one.plan)} with {one.backwards:.0f} backward pass a sample misleads more often than "
            f"{named(many.plan)} with {many.backwards:.0f} ({_both(one, many)}): the gradient may be masked, and the "
            f"worst case too high."
        )


def _overtaken(judged: Sequence[Judged], elsewhere: Sequence[Judged]) -> Iterator[str]:
    """Who sees the gradient, and takes more than a step along it, reaches at least what others do.

    The strongest of these at each budget is compared with all who do not see it; the one that does best is named.
    """
    own = {result.plan.digest for result, _ in judged}
    known = list({pair[0].plan.digest: pair for pair in (*judged, *elsewhere)}.values())
    blind = [pair for pair in known if pair[0].assurance.level in ("black-box", "transfer")]
    seeing: dict[ThreatModel, Judged] = {}
    for pair in known:
        threat = pair[0].plan.threat
        if pair[0].assurance.sees_gradient and pair[0].backwards > SINGLE:
            seeing[threat] = min(seeing.get(threat, pair), pair, key=lambda found: found[0].robust_accuracy)

    def holds(one: Result, other: Result) -> bool:
        mine, theirs = one.plan, other.plan
        within = mine.threat.norm == theirs.threat.norm and mine.threat.epsilon <= theirs.threat.epsilon
        return within and not own.isdisjoint((mine.digest, theirs.digest))

    for strongest in seeing.values():
        pairs = list(_stronger(blind, [strongest], holds))
        if pairs:
            one, other = min(pairs, key=lambda pair: pair[0].robust_accuracy)
            yield (
                f"{named(one.plan)} misleads more often than {named(other.plan)}, which sees the gradient "
                f"({_both(one, other)}): the gradient may be masked, and the worst case too high."
            )


def _budgets(judged: Sequence[Judged]) -> Iterator[str]:
    """A larger budget reaches at least what a smaller one does."""

    def holds(one: Result, other: Result) -> bool:
        mine, theirs = one.plan, other.plan
        larger = mine.threat.norm == theirs.threat.norm and mine.threat.epsilon < theirs.threat.epsilon
        return larger and mine.attack == theirs.attack and mine.source == theirs.source

    for one, other in _stronger(judged, judged, holds):
        yield (
            f"{named(one.plan)} misleads more often than with the larger {budget(other.plan.threat)} "
            f"({_both(one, other)}): the attack does not find what is there."
        )


def _stronger(
    first: Sequence[Judged], second: Sequence[Judged], holds: Callable[[Result, Result], bool]
) -> Iterator[tuple[Result, Result]]:
    """The pairs for which `holds` and of which the first result leaves fewer samples right, beyond chance."""
    for (one, ours), (other, theirs) in itertools.product(first, second):
        if one is not other and holds(one, other):
            here, there = _shared(ours, theirs)
            if exceeds(theirs.robust_right[there], ours.robust_right[here]):
                yield one, other


def _shared(ours: Outcomes, theirs: Outcomes) -> tuple[Places, Places]:
    """Where in either the samples are that both have."""
    if np.array_equal(ours.index, theirs.index):
        return slice(None), slice(None)
    _, here, there = np.intersect1d(ours.index, theirs.index, return_indices=True)
    return here, there


def _both(one: Result, other: Result) -> str:
    return f"{percent(one.robust_accuracy)} and {percent(other.robust_accuracy)} % still right"
