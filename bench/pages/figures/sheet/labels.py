"""Places names beside points and lines so that none covers another; numbers in, numbers out, in pixels.

By hand, for matplotlib places no names.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

LETTER = 0.56
"""Mean width of a letter of a sans serif face, in units of its size; DejaVu Sans and Arial need less on average."""


@dataclass(frozen=True)
class Box:
    """A rectangle: left, bottom, right, top."""

    left: float
    bottom: float
    right: float
    top: float

    def overlap(self, other: Box) -> float:
        """The area that both cover."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.top, other.top) - max(self.bottom, other.bottom)
        return max(width, 0.0) * max(height, 0.0)

    def outside(self, frame: Box) -> bool:
        """Whether any part of it lies beyond the frame."""
        return self.left < frame.left or self.right > frame.right or self.bottom < frame.bottom or self.top > frame.top


def shorten(name: str, longest: int) -> str:
    """The name, its middle cut out where it is longer than `longest` letters."""
    if len(name) <= longest:
        return name
    head = (longest - 1) * 2 // 3
    return f"{name[:head]}…{name[len(name) - (longest - 1 - head) :]}"


def width(text: str, size: float) -> float:
    """About how wide a text is at this size."""
    return LETTER * size * len(text)


def spread(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Heights as near as can be to those wanted, at least `gap` apart and within [low, high].

    Where they do not all fit, the gap shrinks evenly. Neighbours that would collide share the mean of their wishes.
    """
    if not wanted:
        return []
    gap = min(gap, (high - low) / max(len(wanted) - 1, 1))
    order = sorted(range(len(wanted)), key=lambda number: (wanted[number], number))
    clusters: list[tuple[float, int]] = []  # the lowest height of a run of neighbours, and how many they are
    for place, number in enumerate(order):
        ceiling = high - gap * (len(order) - 1 - place)
        clusters.append((min(max(wanted[number], low + gap * place), ceiling), 1))
        while len(clusters) > 1 and clusters[-2][0] + gap * clusters[-2][1] > clusters[-1][0]:
            (lower, count), (upper, more) = clusters[-2:]
            clusters[-2:] = [((lower * count + (upper - gap * count) * more) / (count + more), count + more)]
    heights = [start + gap * step for start, count in clusters for step in range(count)]
    return [heights[order.index(number)] for number in range(len(wanted))]


def beside(
    points: Sequence[tuple[float, float]], sizes: Sequence[tuple[float, float]], frame: Box, reach: float = 5.0
) -> list[Box | None]:
    """A box of each size near its point that covers no point and no earlier box; None where no place is free.

    Earlier points choose first. `reach` is how far a box keeps from the middle of its point.
    """
    marks = [Box(x - reach, y - reach, x + reach, y + reach) for x, y in points]
    placed: list[Box] = []
    found: list[Box | None] = []
    for point, size in zip(points, sizes, strict=True):
        best = next((box for box in _candidates(point, size, reach) if _is_free(box, frame, marks, placed)), None)
        found.append(best)
        if best is not None:
            placed.append(best)
    return found


def _candidates(point: tuple[float, float], size: tuple[float, float], reach: float) -> list[Box]:
    """Places around a point, the best first: right, left, above, below, the corners, then all of these farther off."""
    (x, y), (wide, high) = point, size
    around = []
    for far in (1.3, 2.6, 4.2, 6.0):
        step = far * reach
        centres = [
            *((x + step + wide / 2, y), (x - step - wide / 2, y), (x, y + step + high / 2), (x, y - step - high / 2)),
            *((x + step + wide / 2, y + step), (x + step + wide / 2, y - step)),
            *((x - step - wide / 2, y + step), (x - step - wide / 2, y - step)),
        ]
        around += [Box(cx - wide / 2, cy - high / 2, cx + wide / 2, cy + high / 2) for cx, cy in centres]
    return around


def _is_free(box: Box, frame: Box, marks: Sequence[Box], placed: Sequence[Box]) -> bool:
    return not (
        box.outside(frame)
        or any(box.overlap(other) > 0 for other in placed)
        or any(box.overlap(mark) > 0 for mark in marks)
    )
