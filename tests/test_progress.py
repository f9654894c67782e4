"""What a person sees while a sweep goes on."""

from __future__ import annotations

import io
import re
import time

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


def test_trainings_share_the_bar_of_the_cells_and_tell_how_long_all_of_them_take() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=150, color_system=None)
    with EvaluationProgress(console) as progress:
        progress.cells(3, "trainings and cells")
        with progress.training("the first", 1) as watch:
            for step in range(1, 4):
                watch(step, 100, "loss 1.5")
                time.sleep(0.15)
            found = progress._until
            assert found is not None
            left = found - time.monotonic()
            assert 1.5 < left / (0.15 * 97) < 3  # as long again for the second
        progress.cell_done("a cell")
    shown: str = console.file.getvalue()  # type: ignore[attr-defined]
    assert "training the first" in shown
    assert "loss 1.5" in shown
    assert "for the trainings" in shown
    assert re.search(r"trainings and cells .* 2/3", shown)


def test_nobody_is_asked_where_nobody_looks() -> None:
    def left() -> tuple[float | None, int]:
        raise AssertionError("it costs something to find out")

    with EvaluationProgress(Console(file=io.StringIO()), quiet=True) as progress:
        progress.cells(2)
        progress.ahead(left)
    with EvaluationProgress(Console(file=io.StringIO())) as progress:
        progress.ahead(left)
