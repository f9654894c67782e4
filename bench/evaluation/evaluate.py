"""Evaluates plans: crafts what their sources lack, runs what the store lacks, commits shard by shard."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Unpack

from bench.domain.errors import StoreError
from bench.domain.plan import Plan
from bench.evaluation.images import crafted_otherwise
from bench.evaluation.running.agenda import Agenda
from bench.evaluation.running.queue import Queue
from bench.evaluation.running.run import Evaluation, Means, Observer, Site
from bench.evaluation.running.sharing import Share
from bench.store.images.places.place import Place
from bench.store.others.foreign import read_shards
from bench.store.rows.checking import UnfitError
from bench.store.rows.records import Whole
from bench.store.store import Store


def evaluate(
    plan: Plan,
    store: Store,
    observer: Observer,
    device: Callable[[], str],
    only: frozenset[int] | None = None,
    **means: Unpack[Means],
) -> Evaluation:
    """Run what is left of a plan (or of `only` some shards) and store it, a shard a transaction.

    A failed shard is reported and the others go on.
    """
    with Site.open(device, store, observer, **means) as site:
        return evaluate_at(site, plan, only)


def evaluate_again(
    plan: Plan, run: Callable[[Store], Evaluation], artifacts: Place | None = None
) -> tuple[Evaluation, list[Whole]]:
    """What a `run` of a plan did in a store that is gone afterwards, and the shards that came out; what these craft is
    kept in `artifacts`, if any."""
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(Store(Path(folder) / "again.db", artifacts=artifacts)) as again,
    ):
        evaluation = run(again)
        try:
            return evaluation, read_shards(again, plan)
        except UnfitError as error:
            raise StoreError(f"What was run again cannot be read: {error}") from None


def evaluate_at(site: Site, plan: Plan, only: frozenset[int] | None = None) -> Evaluation:
    """Like `evaluate`, with workers and images that several plans share."""
    return next(evaluation for _, evaluation in list(evaluate_all(site, [plan], only)))


def evaluate_all(
    site: Site, plans: Sequence[Plan], only: frozenset[int] | None = None
) -> Iterator[tuple[int, Evaluation]]:
    """Run what is left of many plans in one queue; each plan's position and evaluation as it ends, the finished first.

    Plans that need the same images wait for one crafting of them. Raises `StoreError` where the store fails, which ends
    all.
    """
    agenda = Agenda.of(plans, site.store, only)
    with Share(site.store) as share:
        for position, evaluation in Queue(site, agenda, share).ended():
            again = agenda.uncrafted.get(evaluation.plan.digest, frozenset())
            evaluation.conflicts += crafted_otherwise(evaluation.plan, again, site.store)
            yield position, evaluation
