"""Evaluates a plan: crafts what its source lacks, runs what the store lacks, commits shard by shard."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from bench.domain.plan import Plan
from bench.evaluation.archive import Archive
from bench.evaluation.crew import Crew
from bench.evaluation.run import REPLAYED, Evaluation, Observer, Run, Site
from bench.evaluation.work import remaining
from bench.store.store import Store


def evaluate(
    plan: Plan,
    store: Store,
    observer: Observer,
    device: Callable[[], str],
    data_dir: Path | None = None,
    workers: int | None = None,
    only: frozenset[int] | None = None,
    replayed: int = REPLAYED,
) -> Evaluation:
    """Run what is left of a plan (or of `only` some shards) and store it, a shard a transaction.

    `device` is asked only if there is work, so that a finished plan needs no torch. `replayed` images of each shard
    are judged again. A failed shard is reported and the others go on.
    """
    with Crew(device, workers) as crew, Archive(data_dir) as archive:
        return evaluate_at(Site(crew, archive, store, observer, replayed), plan, only)


def evaluate_at(site: Site, plan: Plan, only: frozenset[int] | None = None) -> Evaluation:
    """Like `evaluate`, with workers and images that several plans share."""
    started = time.monotonic()
    evaluation = Evaluation(plan)
    work = remaining(plan, site.store, only)
    if work.crafting is not None and work.to_craft:
        site.observer.started(work.crafting, "crafting", len(plan.shards()), len(work.to_craft))
    site.observer.started(plan, "judging", len(plan.shards()), len(work.ready) + len(work.to_craft))
    if work.shards:
        site.crew.expect(len(work.to_craft) + len(work.ready))
        Run(site, evaluation).all(work)
    evaluation.seconds = time.monotonic() - started
    return evaluation
