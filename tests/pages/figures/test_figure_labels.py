"""Names and ticks in pictures: apart, in bounds, round."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.pages.figures.curves import ticks
from bench.pages.figures.sheet.labels import Box, beside, shorten, spread, width


@given(st.lists(st.floats(0, 100), max_size=12), st.floats(0.5, 30))
def test_labels_in_a_column_keep_their_order_distance_and_bounds(wanted: list[float], gap: float) -> None:
    heights = spread(wanted, gap, 0, 100)
    fitting = min(gap, 100 / max(len(wanted) - 1, 1))
    assert all(-1e-6 <= height <= 100 + 1e-6 for height in heights)
    ordered = [height for _, height in sorted(zip(wanted, heights, strict=True))]
    assert all(upper - lower >= fitting - 1e-6 for lower, upper in zip(ordered, sorted(ordered)[1:], strict=False))


@given(st.lists(st.tuples(st.floats(20, 280), st.floats(20, 180)), max_size=15))
def test_names_beside_points_cover_neither_points_nor_names(points: list[tuple[float, float]]) -> None:
    boxes = [box for box in beside(points, [(60.0, 12.0)] * len(points), Box(0, 0, 300, 200)) if box is not None]
    assert all(one.overlap(other) == 0 for at, one in enumerate(boxes) for other in boxes[:at])
    assert all(not (box.left < x < box.right and box.bottom < y < box.top) for box in boxes for x, y in points)


def test_long_names_are_cut_in_their_middle() -> None:
    assert shorten("short", 10) == "short"
    assert shorten("a-very-long-name step=200", 12) == "a-very-…=200"
    assert len(shorten("x" * 99, 20)) == 20
    assert width("abc", 10) == pytest.approx(16.8)


def test_ticks_are_round_and_whole_where_asked() -> None:
    assert ticks(0, 1) == [0, 0.2, 0.4, 0.6, 0.8, 1.0]
    assert ticks(0, 0.3) == [0, 0.1, 0.2, 0.3]
    assert ticks(0, 2, whole=True) == [0, 1, 2]
    assert ticks(3, 3) == [3]
