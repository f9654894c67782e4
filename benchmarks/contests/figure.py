"""The picture of a run's ratios, as an SVG file that stands alone, on light ground and dark."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

from bench.pages.figures.sheet.canvas import NORMAL, Canvas, colour, sheet
from bench.pages.figures.sheet.labels import shorten, width
from contests.table import figure

WIDE, ROW = 720.0, 24.0
LEFT, RIGHT, BOTTOM, TOP = 210.0, 70.0, 22.0, 34.0
TICKS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0)
SHEETS = ("page.css", "figures.css")
STYLE = "text { font-family: system-ui, sans-serif; font-variant-numeric: tabular-nums; } .f-bad { fill: var(--bad); }"
AROUND = 14
"""Pixels of ground around the drawing."""


def ratios(rows: Sequence[Mapping[str, Any]]) -> str:
    """A dot a contest at the median of its ratios, with a line for their range; contests without a ratio say so."""
    held = [row["ratio"] for row in rows if row["holds"]]
    low = min([0.5, *(ratio["low"] / 1.2 for ratio in held)])
    high = max([2.0, *(ratio["high"] * 1.2 for ratio in held)])
    tall = BOTTOM + TOP + ROW * len(rows)
    with sheet(WIDE, tall, (LEFT, BOTTOM, RIGHT, TOP)) as canvas:
        canvas.axes.set_xscale("log")
        canvas.axes.set_xlim(low, high)
        canvas.axes.set_ylim(len(rows) - 0.5, -0.5)
        canvas.grid({tick: f"{tick:g}" for tick in TICKS if low <= tick <= high}, (), lines="x")
        canvas.axes.axvline(1, color=colour("soft"), linewidth=1.5)
        canvas.title("The peer's seconds over ours", "right of 1 ours is faster")
        for place, row in enumerate(rows):
            _add(canvas, place, row)
        told = ". ".join(f"{row['name']}: {_told(row)}" for row in rows)
        return standalone(canvas.svg("speed", "How many times as long as ours the peers take", told))


def _add(canvas: Canvas, place: int, row: Mapping[str, Any]) -> None:
    """A contest's line: its name, its dot and its figure."""
    ratio = row["ratio"]
    _, up = canvas.pixel(max(ratio["low"], 1e-9), place)
    name = shorten(row["name"], int((LEFT - 12) / width("n", NORMAL)))
    canvas.write(0, up, name, colour="ink", middle=True)
    canvas.write(WIDE, up, _told(row), colour="ink" if row["holds"] else "bad", align="right", middle=True)
    if row["holds"]:
        hue = colour("a0" if ratio["median"] >= 1 else "a1")
        canvas.axes.plot([ratio["low"], ratio["high"]], [place, place], color=hue, linewidth=2, clip_on=False)
        (dot,) = canvas.axes.plot([ratio["median"]], [place], marker="o", markersize=7, color=hue, clip_on=False)
        canvas.hint(dot, f"{row['name']}: {_told(row)}")


def _told(row: Mapping[str, Any]) -> str:
    return f"{figure(row['ratio']['median'])} x" if row["holds"] else "not equal"


def standalone(svg: str) -> str:
    """A picture made for the page as a file of its own: with the page's colours, its letters' sizes and a ground."""
    page, figures = (files("bench.pages").joinpath("templates", name).read_text("utf-8") for name in SHEETS)
    colours = "".join(re.findall(r"(?ms)^:root \{.*?^\}|^@media \(prefers-color-scheme: dark\) \{.*?^\}", page))
    looks = "".join(re.findall(r"\.panels (\.[^{}]*\{[^{}]*\})", figures))
    size = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg)
    assert size is not None
    wide, high = (float(side) + 2 * AROUND for side in size.groups())
    frame = f'viewBox="-{AROUND} -{AROUND} {wide:g} {high:g}"'
    opening = f'<svg xmlns="http://www.w3.org/2000/svg" width="{wide:g}" height="{high:g}" '
    ground = f'<rect class="f-card" x="-{AROUND}" y="-{AROUND}" width="{wide:g}" height="{high:g}"/>'
    whole = svg.replace(size[0], frame, 1).replace("<svg ", opening, 1)
    return whole.replace("</desc>", f"</desc><style>{colours}{looks}{STYLE}</style>{ground}", 1) + "\n"
