"""A study's cells as requests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from bench.domain.errors import PluginError
from bench.domain.plan import Plan
from bench.evaluation.requests.answering import Passing
from bench.evaluation.requests.request import Request
from bench.executors.worker import alone
from bench.protocols.studies import Cell, Study
from bench.studies.trainings import given


def requests(study: Study, weights: Mapping[str, Path], data_dir: Path | None = None) -> list[tuple[str, str, Request]]:
    """Row, column and request of every cell, column by column; `weights` by training. A row whose training is not among
    them has its own weights."""
    return [(row, column, _request(study, (row, column), weights, data_dir)) for row, column in study.evaluated()]


def network_passes(plans: Iterable[Plan], data_dir: Path | None = None) -> dict[str, float]:
    """By a plan's digest the passes of its defense's network that one classification takes, where the defense says; it
    is asked in a process of its own."""
    distinct = {plan.digest: plan for plan in plans}
    if not distinct:
        return {}
    try:
        found: dict[str, float] = alone("plan", Passing(tuple(distinct.values()), data_dir))
    except PluginError:  # a figure beside the others is not worth the page
        return {}
    return found


def _request(study: Study, cell: Cell, weights: Mapping[str, Path], data_dir: Path | None) -> Request:
    row, column = study.row(cell[0]), study.column(cell[1])
    trained = weights.get(study.training(cell) or "")
    if trained is not None and row.step is not None:
        trained = trained.with_name(f"step-{row.step:06d}.safetensors")
    seen = column if column.source is not None or column.attack == "none" else study
    return Request(
        defense=row.defense,
        attack=column.attack,
        protocol=column.protocol or study.protocol,
        defense_settings={**given(row.params, weights), **({} if trained is None else {"weights": str(trained)})},
        attack_settings=column.params,
        dataset=study.dataset,
        data_dir=data_dir,
        source=seen.source,
        source_settings=given(seen.source_params, weights),
        epsilon=column.epsilon,
        samples=column.samples or (study.samples if column.protocol is None else None),
        seed=column.seed,
        sample_seed=column.sample_seed,
    )
