"""What a person sees while a sweep goes on."""

from __future__ import annotations

import io
import re

from rich.console import Console

from bench.progress import EvaluationProgress


def shown(seconds: float | None, workers: int = 2) -> str:
    """What a sweep of two cells shows when so many seconds are left."""
    console = Console(file=io.StringIO(), force_terminal=True, width=150, color_system=None)
    with EvaluationProgress(console) as progress:
        progress.cells(2)
        progress.ahead(lambda: (seconds, workers))
        progress.cell_done("a cell")
    found: str = console.file.getvalue()  # type: ignore[attr-defined]  # it is the file above
    return found


def test_a_sweep_shows_the_time_left_over_all_its_cells_and_who_works() -> None:
    found = shown(7384.0)
    assert re.search(r"cells .* 1/2 .* 2:03:0[34] with 2 workers", found)
    assert re.search(r"a cell  2:03:0[34] left", found)
    assert "with 1 worker\n" in shown(60.0, 1)


def test_before_anything_is_known_no_time_is_told() -> None:
    found = shown(None)
    assert "-:--:--" in found
    assert "left" not in found


def test_nobody_is_asked_where_nobody_looks() -> None:
    def left() -> tuple[float | None, int]:
        raise AssertionError("it costs something to find out")

    with EvaluationProgress(Console(file=io.StringIO()), quiet=True) as progress:
        progress.cells(2)
        progress.ahead(left)
    with EvaluationProgress(Console(file=io.StringIO())) as progress:
        progress.ahead(left)
