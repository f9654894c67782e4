"""What was given and has no effect: said once on stderr, for nobody else would say so."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from bench.cli.console import counted, escape, warn

if TYPE_CHECKING:
    from fractions import Fraction

    from bench.analysis.results.summary import Result
    from bench.domain.plan import Plan
    from bench.evaluation.running.run import Evaluation

PREFIX = "BENCH_"
LONG = 20.0
"""Seconds of a run that are worth a word on how they could have been fewer."""
NO_OPTIONS = ("BENCH_DEBUG", "BENCH_RAY_PORT")
"""What means something beside the options: tracebacks, and a port in examples/cluster."""


def tell(sentences: Iterable[str]) -> None:
    """Say each sentence once."""
    for sentence in dict.fromkeys(sentences):
        warn(f"[yellow]Note[/] {escape(sentence)}")


def unknown_variables(known: Iterable[str]) -> list[str]:
    """A sentence for every variable of the environment that looks like bench's and is none of the known ones."""
    names = sorted({*known, *NO_OPTIONS})
    found = []
    for name in sorted(os.environ):
        if name.startswith(PREFIX) and name not in names:
            ends = [each.removeprefix(PREFIX) for each in names]
            near = difflib.get_close_matches(name.removeprefix(PREFIX), ends, n=1, cutoff=0.6)
            hint = f" Did you mean {PREFIX}{near[0]}?" if near else " `bench VERB --help` names those that do."
            found.append(f"{name} means nothing to bench.{hint}")
    return found


def without_effect(
    plan: Plan,
    *,
    source: str | None = None,
    epsilon: Fraction | None = None,
    passes: int | None = None,
) -> list[str]:
    """A sentence for everything given of which the plan keeps nothing."""
    found = []
    is_sourceless = plan.is_untouched or plan.knowledge == "certified" or plan.threat.norm == "corruption"
    if is_sourceless and source not in (None, "self"):
        found.append(f"--source {source} changes nothing: {plan.attack.name} asks no victim.")
    if plan.is_untouched and epsilon is not None:
        found.append(f"--epsilon changes nothing: {plan.attack.name} leaves the images as they are.")
    if plan.passes is None and passes is not None:
        found.append(f"--passes changes nothing: {plan.attack.name} asks no victim.")
    return found


def idle_workers(workers: int | None, plans: Sequence[Plan]) -> list[str]:
    """A sentence where more workers are asked for than there are shards."""
    shards = sum(len(plan.shards()) for plan in plans)
    if workers is None or not plans or workers <= shards:
        return []
    return [f"--workers {workers} is more than there are shards; {counted(shards, 'worker')} can have work."]


def idle_cores(evaluations: Sequence[Evaluation]) -> list[str]:
    """A sentence where a run was long, and too few large shards left cores of a CPU without work."""
    from bench.domain.dataset import Dataset
    from bench.executors.devices import default_workers

    plans = [each.plan for each in evaluations if each.computed and each.seconds > LONG]
    shards = sum(len(plan.shards()) for plan in plans)
    smaller = sum(-(-plan.samples // Dataset.shard_size) for plan in plans)
    busy = default_workers("cpu", smaller)
    if not plans or busy <= shards:
        return []
    return [
        f"On a CPU {counted(shards, 'shard')} keep {counted(shards, 'core')} busy; --shard-size {Dataset.shard_size} "
        f"would keep {busy}, under the same protocol."
    ]


def idle_noise(results: Iterable[Result], draws: int | None, fixed_noise: bool | None) -> list[str]:
    """A sentence where what is said of a random defense's noise was said of one that has none."""
    found = []
    for result in results:
        if result.evidence is None or result.evidence.random:
            continue
        name = result.plan.defense.name
        if draws is not None and draws > 1:
            found.append(f"--draws {draws} changes nothing: {name} answers the same every time.")
        if fixed_noise:
            found.append(f"--fixed-noise changes nothing: {name} has no noise.")
    return found
