"""Certified accuracy against the radius."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bench.analysis.notation import NORMS
from bench.pages.figures.curves import MOST, POINTS, counted, draw
from bench.pages.figures.drawing import Drawing, Reader, called, limited, picture, results_at

if TYPE_CHECKING:
    from bench.analysis.boards.leaderboards import Leaderboard

PANELS = 2


def radii(board: Leaderboard, read: Reader, name: str) -> Drawing | None:
    """One panel a certifier: the share of samples whose label is certified at least so far, by radius."""
    attacks = [column.attack for column in board.columns]
    panels: list[str] = []
    there = 0
    for at, column in enumerate(board.columns):
        proven = [(label, result) for label, result in results_at(board, at) if result.certified]
        known = [(label, np.nan_to_num(read(result.plan).radius)) for label, result in proven]
        reach = max((float(radius.max()) for _, radius in known), default=0.0)
        if reach <= 0 or len(panels) == PANELS:
            continue
        there = max(there, len(known))
        places = np.linspace(0, reach * 1.02, POINTS)
        curves = [
            counted(label, places.tolist(), [int(((found > 0) & (found >= at)).sum()) for at in places], len(found))
            for label, found in known[:MOST]
        ]
        along = f"radius, {NORMS[column.threat.norm]}"
        panels.append(
            draw(f"{name}-{len(panels)}", curves, called(column.attack, attacks), "", along, "certified correct, %")
        )
    caption = (
        "Share of samples that provably keep their right label within a radius of so much; bands are 95 % intervals."
    )
    return picture("Certified accuracy against radius", caption + limited(min(there, MOST), there), panels)
