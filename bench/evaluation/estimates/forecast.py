"""What a call would take: the store is asked, and what it does not know is tried."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.domain.plan import Plan
from bench.evaluation.estimates.estimate import Demand, Estimate, checking, draws_of, judging, makespan
from bench.evaluation.estimates.measuring import Measured, Measuring, pace_key
from bench.evaluation.estimates.parts import Part, Row, rows_of
from bench.evaluation.running.archive import Archive
from bench.evaluation.running.crew import Crew
from bench.evaluation.running.precedent import Precedent, Precedents, kind_of
from bench.evaluation.running.run import REPLAYED
from bench.executors.choice import DEFAULT
from bench.executors.contract import Executor
from bench.loading.environment import resolve_device
from bench.store.store import Store

ROLES = 3
"""Processes that load a defense one after the other: it is attacked, judged and asked again."""


@dataclass(frozen=True)
class Forecast:
    """What a row of a call would take: estimates of its parts in the order of the work, none where nothing is left, or
    the `problem` why there are none."""

    row: Row
    estimates: tuple[tuple[Part, Estimate], ...]
    problem: str | None = None


@dataclass(frozen=True)
class Outlay:
    """The forecasts of a call in its order, and how many jobs it would run at once."""

    rows: Sequence[Forecast]
    workers: int
    beginning: float = 0.0

    @property
    def seconds(self) -> float:
        """Seconds until all is done; the first process takes `beginning`, and a defense is loaded once, whatever
        attacks it."""
        found = [pair for each in self.rows for pair in each.estimates]
        loading = {pace_key(part): estimate.loading for part, estimate in found}
        work = makespan((every for _, each in found for every in each.seconds), self.workers)
        return self.beginning + sum(loading.values()) + work


def forecast(
    plans: Sequence[Plan],
    store: Store,
    tells: Callable[[str], None],
    device: str,
    data_dir: Path | None = None,
    workers: int | None = None,
    executor: str | Executor = DEFAULT,
    replayed: int = REPLAYED,
) -> Outlay:
    """What the rest of some plans would take here; nothing is stored. `tells` is told what is being tried.

    Raises `UsageError` for a device or workers that cannot be.
    """
    rows, precedents = rows_of(plans, store), Precedents(store)
    parts = [part for row in rows for part in row.parts]
    if not parts:
        return Outlay([Forecast(row, ()) for row in rows], 1)
    with Crew(lambda: resolve_device(device), workers, executor) as crew, Archive(data_dir) as archive:
        at_once = crew.workers(sum(len(part.shards) for part in parts))
        measuring = Measuring(crew, archive, tells)
        measuring.pace(parts)
        known = {kind_of(part.plan): _known(part, precedents, measuring.found) for part in parts}
        measuring.attempt([part for part in parts if part.crafts and known[kind_of(part.plan)] is None])
        at_once = max(at_once, crew.workers(sum(len(part.shards) for part in parts)))  # a cluster's come late
    forecasts = [_forecast(row, measuring.found, known, replayed) for row in rows]
    return Outlay(forecasts, at_once, measuring.found.beginning)


def _known(part: Part, precedents: Precedents, found: Measured) -> Precedent | None:
    pace = found.paces.get(pace_key(part))
    return None if pace is None else precedents.of(part.plan, pace.device)


def _forecast(row: Row, found: Measured, known: dict[str, Precedent | None], replayed: int) -> Forecast:
    problems = [found.problem(part) for part in row.parts]
    if row.work.crafting is not None and row.work.to_craft:
        problems.append(found.problem(Part(row.work.crafting, row.work.to_craft, frozenset())))
    problem = next(filter(None, problems), None)
    if problem is not None:
        return Forecast(row, (), problem)
    return Forecast(row, tuple((part, _estimate(part, found, known, replayed)) for part in row.parts))


def _estimate(part: Part, found: Measured, known: dict[str, Precedent | None], replayed: int) -> Estimate:
    plan, pace, kind = part.plan, found.paces[pace_key(part)], kind_of(part.plan)
    precedent, tried = known[kind], found.tries.get(kind)
    crafted = "" if plan.source is None else f"; images are {plan.source.name}'s"
    demand = Demand(0.0, 0.0, 0.0, 0.0, f"passes timed{crafted}")
    flop, peak = pace.flop, pace.peak_memory
    if tried is not None:
        demand = Demand.tried(tried, pace, plan.passes)
        flop, peak = pace.flop if tried.flop is None else tried.flop, max(peak, tried.peak_memory)
    elif precedent is not None:
        demand, peak = Demand.known(precedent), max(peak, precedent.peak_memory)

    is_proof = tried is not None and tried.flop is not None
    times = 0 if is_proof else 1 + demand.closest
    seconds, judged = [], 0
    for shard in part.shards:
        n, clean = len(shard.indices), shard.index in part.untouched
        timed = None if precedent is None else precedent.seconds
        if timed is not None:
            work = timed * n + judging(pace, n, plan.draws, int(clean), plan.fixed_noise, replayed)
        else:
            work = demand.seconds(pace, n) + checking(pace, n, demand)
            work += judging(pace, n, plan.draws, times + clean, plan.fixed_noise, replayed)
        seconds.append(work)
        judged += n * draws_of(pace, plan.draws) * (times + clean)
    passes = part.samples * (demand.forwards * flop + demand.backwards * pace.flop_backward)
    return Estimate(
        samples=part.samples,
        forwards=demand.forwards,
        backwards=demand.backwards,
        judged=judged / part.samples,
        flop=passes + judged * pace.flop,
        peak_memory=peak,
        seconds=seconds,
        loading=found.loading[pace_key(part)] * (ROLES if part.crafts else ROLES - 1),
        basis=demand.basis,
        certainty=demand.certainty,
    )
