"""Results, outcomes and leaderboards as flat columns, for data files and frames."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

from bench.analysis.boards.table import Cell, Figure, Heading, Rank, Table
from bench.analysis.results.accuracy import RADII, SHARES
from bench.analysis.results.summary import Result
from bench.domain.plan import Spec
from bench.domain.threat import format_epsilon, parse_epsilon

Scalar = str | int | float | bool | None

RESULT_COLUMNS: Mapping[str, type] = {
    **dict.fromkeys(("plan", "dataset", "dataset_settings", "images_sha256"), str),
    **dict.fromkeys(("defense", "defense_settings", "defense_version", "defense_weights"), str),
    **dict.fromkeys(("attack", "attack_settings", "attack_version"), str),
    **dict.fromkeys(("source", "source_settings", "source_version", "source_weights", "norm"), str),
    "epsilon": float,
    **dict.fromkeys(("epsilon_exact", "assurance"), str),
    **dict.fromkeys(("samples", "judged"), int),
    "complete": bool,
    "sampling": str,
    **dict.fromkeys(("sample_seed", "seed", "draws", "shard_size"), int),
    "precision": str,
    **dict.fromkeys(("clean_accuracy", "clean_low", "clean_high"), float),
    **dict.fromkeys(("robust_accuracy", "robust_low", "robust_high"), float),
    **dict.fromkeys(("worst_of_draws", "majority_vote", "largest_distance"), float),
    **{f"certified_{radius:g}": float for radius in RADII},
    **{f"robust_at_{share:g}_epsilon": float for share in SHARES},
    **dict.fromkeys(("invalid", "remarks", "doubts", "level"), str),
    **dict.fromkeys(("replayed", "audited"), int),
    **dict.fromkeys(("facts", "origin"), str),
    "claimed": bool,
    "conflicts": int,
    "shards": int,
    **dict.fromkeys(("forwards_per_sample", "backwards_per_sample", "seconds"), float),
    "peak_memory": int,
    **dict.fromkeys(("device", "torch", "finished", "tags", "notes"), str),
}
"""What a row of results says, and of which type it is: shares in [0, 1], seconds, bytes, times in UTC."""


def result_row(result: Result) -> dict[str, Scalar]:
    """One plan's figures under the names of `RESULT_COLUMNS`; what was not measured is None."""
    plan, document = result.plan, result.document()
    by_epsilon = dict(zip(SHARES, result.by_epsilon.values(), strict=False))  # there are none or all
    row: dict[str, Scalar] = {
        **{name: document[name] for name in RESULT_COLUMNS if name in document},
        **_spec("dataset", plan.dataset),
        **_spec("defense", plan.defense),
        **_spec("attack", plan.attack),
        **_spec("source", plan.source),
        "images_sha256": plan.images,
        "norm": plan.threat.norm,
        "epsilon": plan.threat.radius,
        "epsilon_exact": _exact(plan.threat.epsilon),
        "sampling": plan.sampling,
        "shard_size": plan.shard_size,
        "precision": plan.precision,
        "clean_low": result.clean_interval.low,
        "clean_high": result.clean_interval.high,
        "robust_low": result.interval.low,
        "robust_high": result.interval.high,
        "largest_distance": result.largest_distance,
        **{f"certified_{radius:g}": share.rate for radius, share in result.certified.items()},
        **{f"robust_at_{share:g}_epsilon": found.rate for share, found in by_epsilon.items()},
        "invalid": "; ".join(result.invalid),
        "remarks": "; ".join(result.remarks),
        "doubts": " ".join(result.doubts),
        "audited": result.audited,
        "facts": None if result.facts is None else json.dumps(result.facts, sort_keys=True),
        "conflicts": len(result.conflicts),
        "device": _facts(result, "device"),
        "torch": _facts(result, "torch"),
        "tags": ", ".join(result.labels.tags),
        "notes": "\n".join(result.labels.notes),
        "finished": f"{result.finished:%Y-%m-%dT%H:%M:%SZ}",
    }
    return {name: row.get(name) for name in RESULT_COLUMNS}


def board_columns(table: Table) -> dict[str, list[Any]]:
    """A leaderboard's columns: a figure as four, 'clean', 'clean low', 'clean high' and 'clean n', and its state.

    An invalid figure is None, and so is one that was not run; 'clean state' tells them apart.
    """
    columns: dict[str, list[Any]] = {}
    for place, head in enumerate(table.headings):
        cells = [row[place] for row in table.rows]
        columns.update(_figures(head, cells) if head.kind == "figure" else {head.key: [_plain(cell) for cell in cells]})
    return columns


def _figures(head: Heading, cells: list[Cell]) -> Iterator[tuple[str, list[Any]]]:
    figures = [cell if isinstance(cell, Figure) else None for cell in cells]
    shares = [figure.share if figure and figure.state != "invalid" else None for figure in figures]
    yield head.key, [share and share.rate for share in shares]
    yield f"{head.key} low", [share and share.interval.low for share in shares]
    yield f"{head.key} high", [share and share.interval.high for share in shares]
    yield f"{head.key} n", [share and share.n for share in shares]
    yield f"{head.key} state", [(figure.state or "complete") if figure else "not run" for figure in figures]


def _plain(cell: Cell) -> Any:
    return cell.place if isinstance(cell, Rank) else cell


def _spec(role: str, spec: Spec | None) -> dict[str, Scalar]:
    """A plugin as texts: settings and weights as JSON."""
    if spec is None:
        return {}
    return {
        role: spec.name,
        f"{role}_settings": json.dumps(spec.params, sort_keys=True, ensure_ascii=False),
        f"{role}_version": spec.version,
        f"{role}_weights": json.dumps(spec.weights, sort_keys=True, ensure_ascii=False),
    }


def _exact(epsilon: Fraction) -> str:
    """Epsilon as people write it where that is exact: a spreadsheet takes 1/20 for a day."""
    text = format_epsilon(epsilon)
    return text if parse_epsilon(text) == epsilon else str(epsilon)


def _facts(result: Result, name: str) -> str:
    return "; ".join(dict.fromkeys(str(facts.get(name, "")) for facts in result.environments))
