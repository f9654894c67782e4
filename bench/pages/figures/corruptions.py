"""Accuracy under common corruptions: kinds in lines, severities in columns, a panel a defense."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from bench.analysis.boards.corruptions import corruption_errors
from bench.datasets.cifar10_c import SEVERITIES
from bench.pages.figures.classes import draw_cells, shaded
from bench.pages.figures.drawing import Drawing, limited, percent

if TYPE_CHECKING:
    from bench.analysis.boards.corruptions import CorruptionErrors
    from bench.analysis.boards.leaderboards import Leaderboard

PANELS = 3
"""So many defenses are drawn at most, those first whose mean error is smallest."""


def corruptions(board: Leaderboard, name: str) -> Drawing | None:
    """Accuracy by kind and severity of the best defenses with results under corruptions."""
    tables = corruption_errors(result for row in board.rows for result in row.found)
    if not tables:
        return None
    best = sorted(tables, key=lambda table: (table.mean is None, _error(table), table.example.defense.name))
    panels = tuple(_panel(f"{name}-{number}", table) for number, table in enumerate(best[:PANELS]))
    caption = (
        "Percent of samples classified correctly, by kind and severity. The mean error is over the 15 common kinds and "
        "5 severities, where all of them were run."
    )
    return Drawing("Common corruptions", caption + limited(len(panels), len(tables)), panels)


def _panel(name: str, table: CorruptionErrors) -> str:
    kinds = list(table.errors)
    shares = np.full((len(kinds), len(SEVERITIES)), np.nan)
    for line, kind in enumerate(kinds):
        for severity, error in table.errors[kind].items():
            shares[line, severity - 1] = 1 - error.rate
    note = "" if table.mean is None else f"mean error {percent(table.mean.rate)}"
    least = math.floor(float(np.nanmin(shares)) * 10) / 10
    words = ". ".join(
        f"{kind}: " + ", ".join("not run" if np.isnan(share) else percent(share) for share in shares[line])
        for line, kind in enumerate(kinds)
    )
    lines = [kind.replace("_", " ") for kind in kinds]
    heading = (table.example.defense.name, note, "severity")
    return draw_cells(name, heading, lines, list(map(str, SEVERITIES)), shaded(shares, least), words)


def _error(table: CorruptionErrors) -> float:
    return math.inf if table.mean is None else table.mean.rate
