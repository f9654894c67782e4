"""Whether the rows of a leaderboard met the same crafted images, as their hashes tell."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.analysis.results.summary import Result


def strangers(results: Iterable[Result], crafted: Mapping[str, Result]) -> dict[str, str]:
    """By the digest of each plan that met other images than the other rows: whose these are.

    `results` stand in one column of a leaderboard on which all images come from one source. What that source's own
    plan crafted is what they should have met; `crafted` holds plans by digest, in which it is looked for. Where it is
    not stored, most of the rows are believed, and of equally many those that finished first. What an older bench
    crafted from the same settings are other images.
    """
    found = list(results)
    newest = max((result.plan.harness for result in found), default="")
    usual = _usual([result for result in found if result.plan.harness == newest], crafted)
    strange = [result for result in found if any(usual.get(at, sha) != sha for at, sha in result.images.items())]
    others = [result.plan.defense.name for result in found if result not in strange]
    whose = f"other images than {' and '.join(dict.fromkeys(others[:2])) or 'its source has crafted'}"
    return {result.plan.digest: whose for result in strange}


def _usual(results: Sequence[Result], crafted: Mapping[str, Result]) -> Mapping[int, str]:
    """The hash of each shard's images as it should be."""
    trusted = [result for result in results if _is_trusted(result)]
    crafting = [plan.digest for plan in (result.plan.crafting() for result in trusted) if plan is not None]
    sources = [result for result in trusted if result.plan.source is None]
    sources += [crafted[digest] for digest in crafting if digest in crafted and _is_trusted(crafted[digest])]
    if sources:
        return sources[0].images
    votes: dict[int, Counter[str]] = {}
    for result in sorted(trusted, key=lambda found: found.finished):
        for shard, sha256 in result.images.items():
            votes.setdefault(shard, Counter())[sha256] += 1
    return {shard: counts.most_common(1)[0][0] for shard, counts in votes.items()}


def _is_trusted(result: Result) -> bool:
    return not (result.invalid or result.claimed or result.conflicts)
