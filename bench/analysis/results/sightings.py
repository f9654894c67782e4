"""What the harness saw of a plan, as short words for a reader."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.analysis.notation import percent, span
from bench.stats import clopper_pearson_interval

if TYPE_CHECKING:
    from bench.analysis.results.summary import Result
    from bench.domain.facts import Evidence

NAMED_PARTS = {"clean": "wrong before", "": "survive"}

Pairs = tuple[tuple[str, str], ...]
"""Names of what was seen, each with what it was."""


@dataclass(frozen=True)
class Fall:
    """The samples that fell to one part of an ensemble, on a line from 0 to 100 that holds all of them.

    `kind` is 'part0' to 'part5' for parts that misled, 'before' and 'survive' for the others.
    """

    name: str
    kind: str
    count: int
    start: float
    end: float


def sightings(result: Result) -> Pairs:
    """What was seen of a plan's attack and of its judging; nothing where an older bench measured it."""
    evidence = result.evidence
    if evidence is None:
        return ()
    found = _of_crafting(result, evidence) if evidence.crafted else []
    found.append(("judged again", f"{evidence.replayed:,} images"))
    if evidence.audited:
        found.append(("asked again", f"{evidence.audited:,} queries"))
    if result.origin:
        found.append(("merged from", result.origin))
    return tuple(found)


def traits(results: Iterable[Result]) -> Pairs:
    """What was seen of a defense in all of its results; nothing where older benches measured them."""
    seen = [result.evidence for result in results if result.evidence is not None]
    if not seen:
        return ()
    observed, declared = any(each.random for each in seen), any(each.declared_random for each in seen)
    words = {
        (True, True): "yes",
        (True, False): "yes, and does not say so",
        (False, True): "says so; not seen at the door",
        (False, False): "no",
    }
    contracts = {name: sentence for each in seen for name, sentence in each.contracts.items()}
    kept = sum(not sentence for sentence in contracts.values())
    found = [
        ("random", words[observed, declared]),
        ("differentiable", "yes" if all(each.differentiable for each in seen) else "no"),
        *([("abstains", "yes")] if any(each.abstains for each in seen) else []),
        *_shortcuts(seen),
        *([("contracts", f"{kept} of {len(contracts)} kept")] if contracts else []),
    ]
    return tuple(found)


def _shortcuts(seen: Iterable[Evidence]) -> list[tuple[str, str]]:
    """How often a classifier's shortcuts led to the verdict that it gives without them."""
    same, asked = map(sum, zip(*(each.alike for each in seen), strict=True))
    if not asked:
        return []
    interval = clopper_pearson_interval(same, asked)
    return [("same verdict without shortcuts", f"{same:,} of {asked:,} [{span(interval)} %]")]


def falls(result: Result) -> tuple[Fall, ...]:
    """How many samples fell to each part of an ensemble, those that fell to none last; nothing without parts."""
    total = sum(result.fell_to.values())
    order = [part for part in result.fell_to if part not in NAMED_PARTS]
    shown: list[Fall] = []
    start = 0.0
    for part in (*order, *(part for part in NAMED_PARTS if part in result.fell_to)):
        count = result.fell_to[part]
        kind = f"part{order.index(part) % 6}" if part in order else "before" if part == "clean" else "survive"
        end = start + 100 * count / total
        shown.append(Fall(NAMED_PARTS.get(part, part), kind, count, start, end))
        start = end
    return tuple(shown)


def _of_crafting(result: Result, evidence: Evidence) -> list[tuple[str, str]]:
    taken = sorted(evidence.gradients.items(), key=lambda pair: (-pair[1], pair[0]))
    found = [
        ("queries", f"{evidence.queries:,}"),
        ("gradients", ", ".join(f"{count:,} {source}" for source, count in taken) or "none"),
    ]
    if evidence.random and taken:
        found.append(("draws of noise", f"{evidence.noises:,} in {result.shards} shard{'s' * (result.shards != 1)}"))
    if evidence.zero_gradients:
        found.append(("zero gradients", f"{percent(evidence.zero_gradients)} %"))
    if evidence.unmoved:
        found.append(("left as they were", f"{evidence.unmoved:,} of {result.n:,} images"))
    counts = evidence.controls
    for name, above, below in (
        ("beats noise", counts.above_noise, counts.below_noise),
        ("beats halfway", counts.above_halfway, counts.below_halfway),
    ):
        if above + below:
            found.append((name, f"in {above} of {above + below}"))
    return found
