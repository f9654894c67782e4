"""What is doubtful about one plan's number by itself: known from its own facts and outcomes as soon as it ends."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from bench.analysis.evidence.assurance import is_adversarial, surrogate
from bench.analysis.evidence.controls import controlled
from bench.analysis.evidence.doubt import Doubt
from bench.analysis.evidence.signs import gained, idle, misled, restless, stuck
from bench.analysis.notation import percent
from bench.stats import clopper_pearson_interval

if TYPE_CHECKING:
    from bench.domain.facts import Evidence
    from bench.domain.outcomes import Outcomes
    from bench.domain.plan import Plan
    from bench.store.rows.records import Conflict

LOT = 1e-4
"""Probability below which one of three equal answers is the odd one too often."""
WHOSE = {
    "stand-in": "a stand-in of the classifier",
    "identity": "the identity in a purifier's stead",
    "surrogate": "a cheaper version of the classifier",
}
SHORTCUT = 0.99
"""Share of verdicts that shortcuts may leave as they are, beyond the interval, without a word."""
ZERO = 0.1
"""Share of rows whose gradient may be zero in every pixel without a word."""


@dataclass(frozen=True)
class Record:
    """All that is known of a plan's finished shards: how many, by whom they were computed, and what contradicts them.

    `origins` names the other stores that shards came from, `claimed` says that some could not be checked.
    """

    plan: Plan
    outcomes: Outcomes
    evidence: Evidence | None
    shards: int
    backwards: float
    origins: tuple[str, ...] = ()
    claimed: bool = False
    conflicts: Sequence[Conflict] = ()


def doubts(record: Record) -> tuple[Doubt, ...]:
    """The doubts about a plan's number, each once, the gravest first; none where nothing is doubtful."""
    found = itertools.chain(_provenance(record), _of_defense(record), _of_attack(record), _of_evidence(record))
    return tuple({doubt.sentence: doubt for doubt in found}.values())


def _provenance(record: Record) -> Iterator[Doubt]:
    """Who computed it, and who got something else."""
    for conflict in record.conflicts:
        yield Doubt(conflict.sentence)
    origins = " and ".join(record.origins)
    if record.claimed:
        yield Doubt(
            f"It was merged{f' from {origins}' if origins else ''} although it could not be checked: everything about "
            f"it is a claim of that store. Evaluate it here, or merge a store that still has its images."
        )
    elif origins:
        yield Doubt(f"It was merged from {origins}: its predictions and facts are what that store says.")


def _of_defense(record: Record) -> Iterator[Doubt]:
    """What the defense promised and does not keep."""
    plan, evidence, name = record.plan, record.evidence, record.plan.defense.name
    if evidence is None:
        return
    broken = {contract: sentence for contract, sentence in evidence.contracts.items() if sentence}
    for contract, sentence in broken.items():
        yield Doubt(f"{name} does not keep the contract that it {contract}: {sentence.rstrip('.')}.", "defense")
    if evidence.random and not evidence.declared_random and not broken:
        yield Doubt(
            f"{name} calls itself deterministic, but answers otherwise under another seed; declare it random, so that "
            f"it is judged and attacked as such.",
            "defense",
        )
    names = ("what it told the attack", "what it says when asked afresh", "what it says in small company")
    if max(evidence.odd) and by_lot(max(evidence.odd), sum(evidence.odd)) < LOT:
        yield Doubt(
            f"{name} gives one answer too many: of {sum(evidence.odd)} images about which two of three answers agree, "
            f"{names[evidence.odd.index(max(evidence.odd))]} is the odd one in {max(evidence.odd)}, where chance alone "
            f"would spread them evenly.",
            "defense",
        )
    same, asked = evidence.alike
    if asked and clopper_pearson_interval(same, asked).high < SHORTCUT:
        yield Doubt(
            f"{name} answers otherwise when it takes no shortcuts: {asked - same} of {asked} images get another "
            f"verdict; evaluate it without them.",
            "defense",
        )
    if evidence.batch_dependent:
        yield Doubt(f"What {name} answers to an image hangs on the other images of its batch.", "defense")
    zero = evidence.zero_gradients
    if zero > ZERO and is_adversarial(plan):
        whose = f"{name} calls itself differentiable, but in" if evidence.differentiable else "In"
        yield Doubt(
            f"{whose} {percent(zero)} % of the rows that were asked for a gradient it was zero in every pixel: attacks "
            f"by gradient say little here; try one that needs none, and one through a stand-in.",
            "defense" if evidence.differentiable and not surrogate(evidence) else "evidence",
        )


def _of_attack(record: Record) -> Iterator[Doubt]:
    """What the attack was meant to do and did not."""
    plan, outcomes = record.plan, record.outcomes
    if not is_adversarial(plan) or not outcomes.clean_right.any():
        return
    yield from (Doubt(sentence, "attack") for sentence in _knowledge(record))
    if idle(outcomes):
        asked = record.evidence is None or not record.evidence.crafted or record.evidence.queries
        yield Doubt(
            f"{plan.attack.name} left all {int(outcomes.clean_right.any(1).sum())} rightly classified images exactly "
            f"as they were: it {'found' if asked else 'did'} nothing, and the number is that of the clean images.",
            "evidence" if asked else "attack",
        )
    elif plan.threat.norm != "corruption":
        for sentence in gained(plan, outcomes):
            yield Doubt(sentence, "attack")
    if record.evidence is not None:
        yield from controlled(plan, record.evidence, record.shards, misled(outcomes))


def _knowledge(record: Record) -> Iterator[str]:
    """Whether the attack used of the victim what it says that it uses."""
    plan, evidence, name = record.plan, record.evidence, record.plan.attack.name
    if evidence is None or not evidence.crafted or plan.source is not None:
        return
    taken = sum(evidence.gradients.values())
    if plan.knowledge == "black-box" and taken:
        yield f"{name} calls itself black-box, but took {taken} gradients of {plan.defense.name}."
    elif plan.knowledge != "black-box" and not taken:
        yield (
            f"{name} calls itself {plan.knowledge}, but took no gradient of {plan.defense.name} in {evidence.queries} "
            f"queries: its number is that of a black-box attack."
        )


def _of_evidence(record: Record) -> Iterator[Doubt]:
    """In how far the number is less than it seems, though nobody is to blame."""
    plan, evidence, outcomes, name = record.plan, record.evidence, record.outcomes, record.plan.defense.name
    taken = sum(evidence.gradients.values()) if evidence and is_adversarial(plan) else 0
    if evidence is not None and taken and plan.source is None:
        if evidence.random and not evidence.redrawn and not plan.fixed_noise:
            yield Doubt(
                f"{name} is random, and every gradient ({taken} in all) was taken under "
                f"{_draws(evidence.noises, record.shards)} of its noise: the attack may have fitted that alone, and "
                f"robustness be overstated; use one that averages over fresh noise."
            )
        if evidence.random and plan.fixed_noise and 2 * evidence.partial > evidence.queries:
            yield Doubt(
                f"Of {evidence.queries} queries {evidence.partial} were about a part of a batch, whose noise is not "
                f"the judge's: this attack shares less noise than it is allowed, and robustness is overstated."
            )
        stand_in = surrogate(evidence, adaptive=plan.knowledge == "adaptive")
        if stand_in:
            yield Doubt(
                f"Of {taken} gradient{'s' if taken > 1 else ''} {evidence.gradients[stand_in]} came from "
                f"{WHOSE[stand_in]}: one "
                f"that is exact may lead further."
            )
    is_lucky = plan.draws == 1 and plan.knowledge != "certified" and not plan.fixed_noise
    if evidence is not None and evidence.random and is_lucky:
        yield Doubt(f"{name} is random and was judged with one draw a sample, which judges luck too; use --draws 10.")
    if is_adversarial(plan):
        if evidence is None or not evidence.random:
            yield from map(Doubt, restless(plan, outcomes))
        if not idle(outcomes):
            yield from map(Doubt, stuck(plan, outcomes, record.backwards))


def _draws(noises: int, shards: int) -> str:
    if noises > shards:
        return f"only {noises} draws"
    return "one frozen draw" if shards == 1 else f"one frozen draw a shard, {noises} in all,"


def by_lot(count: int, total: int) -> float:
    """How likely one of three that draw lots `total` times has `count` of them or more."""
    more: int = sum(math.comb(total, each) * 2 ** (total - each) for each in range(count, total + 1))
    return min(1.0, float(Fraction(3 * more, 3**total)))
