"""Reads what another store says, and believes nothing of its form."""

from __future__ import annotations

from itertools import islice

from bench.domain.errors import UsageError
from bench.domain.labels import Labels
from bench.domain.plan import Plan
from bench.store.rows.checking import UnfitError
from bench.store.rows.reader import UnreadableError
from bench.store.rows.records import Whole
from bench.store.store import Store


def read_plan(store: Store, digest: str) -> Plan:
    """The plan of a digest, nowhere on this machine, for no digest vouches for a place, and code is loaded from there.

    Raises `UnfitError` where it cannot be read, or is not what it says.
    """
    try:
        return store.plan(digest).placed({})
    except UnreadableError as error:
        raise UnfitError(error.reason) from None


def read_shards(store: Store, plan: Plan) -> list[Whole]:
    """A plan's shards with their outcomes; `UnfitError` where they are not those that it draws, or of no such form."""
    try:
        records, outcomes = store.shards(plan), iter(store.outcomes(plan))
    except UnreadableError as error:
        raise UnfitError(error.reason) from None
    sizes = (min(plan.shard_size, plan.samples - record.number * plan.shard_size) for record in records)
    return [(record, list(islice(outcomes, size))) for record, size in zip(records, sizes, strict=True)]


def read_labels(store: Store, digest: str) -> tuple[Labels, tuple[str, ...]]:
    """What is written on a plan as people may write it, and what is wrong with the rest, a sentence each."""
    found, good, wrong = store.labels.of(digest), Labels(), []
    for tags, notes in (*(((tag,), ()) for tag in found.tags), *(((), (note,)) for note in found.notes)):
        try:
            one = Labels.of(tags, notes)
        except UsageError as error:
            wrong.append(str(error))
        else:
            good = Labels.of((*good.tags, *one.tags), (*good.notes, *one.notes))
    return good, tuple(wrong)
