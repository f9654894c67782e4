"""What a stored shard says that cannot all be true at once: no data and no images are needed to see it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench.domain.outcome import Outcome
from bench.domain.plan import FIRST_HARNESS, Plan
from bench.store.rows.records import ShardRecord


def inconsistency(plan: Plan, record: ShardRecord, outcomes: Sequence[Outcome]) -> str | None:
    """The first thing in a shard that contradicts another; None where it is of one piece."""
    return next(_inconsistencies(plan, record, outcomes), None)


def _inconsistencies(plan: Plan, record: ShardRecord, outcomes: Sequence[Outcome]) -> Iterator[str]:
    yield from _draws(plan, record, outcomes)
    if plan.harness != FIRST_HARNESS:
        yield from _facts(plan, record)
    certified = plan.knowledge == "certified"
    # An older bench took a certificate from any attack.
    if (certified or plan.harness != FIRST_HARNESS) and any((o.radius is not None) != certified for o in outcomes):
        yield "it holds certified radii without a proof, or a proof without them"
    for outcome in outcomes:
        if plan.is_untouched and outcome.clean != outcome.perturbed:
            yield f"sample {outcome.index} was left as it is, and yet its prediction changed"
        if outcome.radius is not None and certified:
            proven = outcome.radius >= plan.threat.radius
            if any((label == outcome.label) != proven for label in outcome.perturbed):
                yield f"sample {outcome.index} has a radius that its prediction does not show"


def _draws(plan: Plan, record: ShardRecord, outcomes: Sequence[Outcome]) -> Iterator[str]:
    """A random classifier gives a prediction a draw, a deterministic one gives one, and so does a proof."""
    facts = record.facts
    allowed = {1, plan.draws} if facts is None else {plan.draws if facts.declared_random else 1}
    perturbed = {1} if plan.knowledge == "certified" else allowed
    for what, expected in (("clean", allowed), ("perturbed", perturbed)):
        found = {len(getattr(outcome, what)) for outcome in outcomes}
        if len(found) != 1 or not found <= expected:
            drawn = " or ".join(map(str, sorted(expected)))
            yield f"its {what} images have {' and '.join(map(str, sorted(found)))} predictions each, not {drawn}"


def _facts(plan: Plan, record: ShardRecord) -> Iterator[str]:
    """This bench observes every shard, and counts the passes of what it crafts."""
    facts = record.facts
    if facts is None:
        yield "it says nothing of what was observed"
        return
    crafted = not (plan.is_untouched or plan.source is not None or plan.knowledge == "certified")
    if crafted != (facts.crafting is not None):
        yield (
            "what was observed of its crafting is missing"
            if crafted
            else "it says how images were crafted that were not"
        )
    passes = (0, 0) if facts.crafting is None else (facts.crafting.forwards, facts.crafting.backwards)
    if plan.knowledge != "certified" and passes != (record.forwards, record.backwards):  # a proof's are its votes
        yield "its passes are not those that were observed"
