from __future__ import annotations

from fractions import Fraction

from bench.analysis.boards.leaderboards import leaderboards
from bench.domain.threat import ThreatModel
from bench.pages.figures.corruptions import corruptions
from bench.store.store import Store
from tests.pages.figures.drawn import fill, white


def test_kinds_and_severities_are_drawn_with_gaps_where_nothing_was_run(store: Store) -> None:
    for kind, severity, lost in (("fog", 1, 1), ("fog", 3, 4), ("snow", 2, 2)):
        plan = white("tmdc", "corruption", params={"kind": kind}, threat=ThreatModel("corruption", Fraction(severity)))
        fill(store, plan, range(lost))
    (board,) = leaderboards(store)
    drawing = corruptions(board, "x")
    assert drawing is not None
    (panel,) = drawing.panels
    assert "fog: 87.5 %, not run, 50.0 %, not run, not run" in panel
    assert "snow: not run, 75.0 %, not run" in panel
    assert "mean error" not in panel


def test_without_corruptions_there_is_no_such_picture(store: Store) -> None:
    fill(store, white("tmdc"), range(2))
    (board,) = leaderboards(store)
    assert corruptions(board, "x") is None
