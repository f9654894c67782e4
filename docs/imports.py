"""Draws who imports whom: rooms on floors, arrows downward, all of it read from the imports.

`python docs/imports.py > rooms.svg`
"""

from __future__ import annotations

import ast
import itertools
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from html import escape
from pathlib import Path
from statistics import fmean

WIDTH, HEIGHT, GAP, BETWEEN, MARGIN = 900.0, 40.0, 12.0, 36.0, 8.0
LETTER, PER_LINE = 9.5, 0.03
"""A box is as wide as its lines, but at least as its name."""
Way = list[tuple[str, int]]
"""The nodes that an arrow passes, from floor to floor."""


@dataclass(frozen=True)
class Room:
    """A package or module: its name, its lines of code, and the names of the rooms that it imports."""

    name: str
    lines: int
    imports: frozenset[str]


def rooms(root: Path) -> dict[str, Room]:
    """The rooms of a checkout by name: of the harness, which pyproject.toml names first among its root packages, each
    child is one, and its front door; every other root package is one as a whole."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    harness, *others = project["tool"]["importlinter"]["root_packages"]
    files: dict[str, list[Path]] = {}
    for path in sorted((root / harness).rglob("*.py")):
        parts = path.relative_to(root / harness).with_suffix("").parts
        if parts[0] != "__main__":
            files.setdefault(harness if parts[0] == "__init__" else f"{harness}.{parts[0]}", []).append(path)
    files |= {each: sorted((root / each).rglob("*.py")) for each in others}
    return {name: _room(name, paths, files) for name, paths in files.items()}


def floors(found: Mapping[str, Room]) -> dict[str, int]:
    """The floor of each room: the length of the longest way down from it. Raises `ValueError` where rooms import each
    other in a circle, so that no arrow could go downward."""
    heights: dict[str, int] = {}
    try:
        for name in TopologicalSorter({room.name: room.imports for room in found.values()}).static_order():
            heights[name] = 1 + max((heights[below] for below in found[name].imports), default=-1)
    except CycleError as error:
        raise ValueError(f"Rooms import each other in a circle: {' -> '.join(error.args[1])}.") from None
    return heights


def arrows(found: Mapping[str, Room]) -> list[tuple[str, str]]:
    """Who imports whom, but for what a longer way through other rooms says as well."""

    def below(name: str) -> set[str]:
        return set(found[name].imports).union(*map(below, found[name].imports))

    beyond = {name: set[str]().union(*map(below, room.imports)) for name, room in found.items()}
    return [(name, other) for name, room in found.items() for other in sorted(room.imports - beyond[name])]


def draw(root: Path) -> str:
    """The picture as SVG that takes its colours from the page in which it stands. Raises what `floors` raises."""
    found = rooms(root)
    heights = floors(found)
    ways = [_way(name, below, heights) for name, below in arrows(found)]
    rows: list[list[str]] = [[] for _ in range(max(heights.values()) + 1)]
    for node, height in {**heights, **{node: at for way in ways for node, at in way}}.items():
        rows[height].append(node)
    widths = {name: max(66, LETTER * len(name.split(".")[-1]), PER_LINE * room.lines) for name, room in found.items()}
    middles = _places(rows, ways, widths)
    top = {height: MARGIN + (len(rows) - 1 - height) * (HEIGHT + BETWEEN) for height in range(len(rows))}
    lines = [_line([(middles[node], top[height]) for node, height in way]) for way in ways]
    boxes = [_box(room, middles[name], widths[name], top[heights[name]]) for name, room in found.items()]
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:g} {top[0] + HEIGHT + MARGIN:g}" role="img" '
        f'aria-label="Rooms on {len(rows)} floors; every import goes downward" font-family="sans-serif">'
        f'<defs><marker id="tip" viewBox="0 0 7 7" refX="7" refY="3.5" markerWidth="7" markerHeight="7" orient="auto">'
        f'<path d="M0 0 L7 3.5 L0 7 z" fill="currentColor" fill-opacity="0.6"/></marker></defs>'
    )
    return "\n".join([head, *lines, *boxes, "</svg>\n"])


def _room(name: str, paths: Sequence[Path], known: Mapping[str, object]) -> Room:
    texts = [path.read_text(encoding="utf-8") for path in paths]
    parts = [target.split(".") for text in texts for target in _imported(ast.parse(text))]
    homes = {next((each for each in (".".join(target[:2]), target[0]) if each in known), name) for target in parts}
    return Room(name, sum(text.count("\n") for text in texts), frozenset(homes - {name}))


def _imported(tree: ast.Module) -> Iterator[str]:
    """Every module, or attribute of one, that is imported anywhere in a file."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):  # never relative: the linter sees to it
            before = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
            yield from (before + alias.name for alias in node.names)


def _way(name: str, below: str, heights: Mapping[str, int]) -> Way:
    between = ((f"{name}>{below}>{at}", at) for at in range(heights[name] - 1, heights[below], -1))
    return [(name, heights[name]), *between, (below, heights[below])]


def _places(rows: list[list[str]], ways: Sequence[Way], widths: Mapping[str, float]) -> dict[str, float]:
    """The middle of every node: floors are sorted by the mean of their neighbours' until few lines cross."""
    near: dict[str, list[str]] = {}
    for (one, _), (two, _) in itertools.chain.from_iterable(map(itertools.pairwise, ways)):
        near[one], near[two] = [*near.get(one, []), two], [*near.get(two, []), one]
    middles: dict[str, float] = {}
    for turn in range(24):
        for row in rows if turn % 2 else reversed(rows):
            row.sort(key=lambda node: fmean([middles.get(each, WIDTH / 2) for each in near.get(node, [node])]))
            spare = (WIDTH - 2 * MARGIN - sum(widths.get(node, 0) for node in row)) / (len(row) + 1)
            left = MARGIN
            for node in row:
                left += max(spare, GAP) + widths.get(node, 0)
                middles[node] = left - widths.get(node, 0) / 2
    return middles


def _line(points: Sequence[tuple[float, float]]) -> str:
    path = ""
    for (x, y), (to, below) in itertools.pairwise(points):
        bend = (y + HEIGHT + below) / 2
        path += f"V{y + HEIGHT:.1f}" if path else f"M{x:.1f} {y + HEIGHT:.1f}"
        path += f" C{x:.1f} {bend:.1f} {to:.1f} {bend:.1f} {to:.1f} {below:.1f}"
    return f'<path d="{path}" fill="none" stroke="currentColor" stroke-opacity="0.45" marker-end="url(#tip)"/>'


def _box(room: Room, middle: float, width: float, top: float) -> str:
    place = f'x="{middle - width / 2:.1f}" y="{top:.1f}" width="{width:.1f}" height="{HEIGHT:g}" rx="6"'
    text = f'x="{middle:.1f}" text-anchor="middle" fill="currentColor"'
    return (
        f'<g><rect {place} fill="currentColor" fill-opacity="0.08" stroke="currentColor"/>'
        f'<text {text} y="{top + 17:.1f}" font-size="13">{escape(room.name.split(".")[-1])}</text>'
        f'<text {text} y="{top + 32:.1f}" font-size="11" fill-opacity="0.75">{room.lines:,} lines</text></g>'
    )


if __name__ == "__main__":
    sys.stdout.write(draw(Path(__file__).parents[1]))
