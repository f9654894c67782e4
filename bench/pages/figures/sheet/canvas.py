"""The sheet that a panel is drawn on: its size in CSS pixels, its axes, letters and colours, and its way to SVG."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from bench.pages.figures.sheet.labels import shorten, width
from bench.pages.figures.sheet.svg import PLACEHOLDERS, inline, plain

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.path import Path
    from matplotlib.text import Text

BOLDER = 1.15
"""Bold letters are so much wider."""
SMALL, NORMAL, LARGE = 10, 11, 12
"""Sizes of letters in pixels; the page's style knows exactly these."""

# Told apart by colour (Okabe and Ito's, darkened or lightened by the page), by mark and by dash.
HUES = ("a0", "a1", "a2", "a3", "a4", "a5")
MARKS = ("o", "s", "^", "D", "v", "P")
QUARTERS = {0.0: "0", 0.25: "25", 0.5: "50", 0.75: "75", 1.0: "100"}
"""Marks along an axis of shares, in percent."""
DASHES = ((), (6, 2), (2, 1.6), (8, 2, 2, 2), (4, 1.5), (1, 1.4))


@contextmanager
def sheet(wide: float, high: float, margins: tuple[float, float, float, float]) -> Iterator[Canvas]:
    """A fresh canvas, to be drawn on inside: what a user's own matplotlib settings say has no part in it."""
    with _settings():
        yield Canvas(wide, high, margins)


class Canvas:
    """One panel, `wide` by `high` pixels, with one pair of axes within margins: left, bottom, right, top."""

    def __init__(self, wide: float, high: float, margins: tuple[float, float, float, float]) -> None:
        from matplotlib.backends.backend_svg import FigureCanvasSVG
        from matplotlib.figure import Figure

        left, bottom, right, top = margins
        self.wide, self.high, self.margins = wide, high, margins
        # 72 dots an inch make the file's points what the page calls pixels
        self._figure = Figure(figsize=(wide / 72, high / 72), dpi=72, frameon=False)
        FigureCanvasSVG(self._figure)
        place = (left / wide, bottom / high, (wide - left - right) / wide, (high - bottom - top) / high)
        self.axes: Axes = self._figure.add_axes(place, frameon=False)
        self.axes.tick_params(length=0, pad=5, labelsize=NORMAL, labelcolor=colour("soft"))
        self._hints: dict[str, str] = {}

    def bound(self, x: tuple[float, float], y: tuple[float, float]) -> None:
        """What the axes hold, from left to right and from the bottom to the top."""
        self.axes.set_xlim(*x)
        self.axes.set_ylim(*y)

    def grid(
        self,
        x: Mapping[float, str] | Sequence[float] = (),
        y: Mapping[float, str] | Sequence[float] = (),
        *,
        lines: str = "xy",
    ) -> None:
        """Marks and letters along both axes, and fine lines across from those of `lines`."""
        for axis, ticks, name in ((self.axes.xaxis, x, "x"), (self.axes.yaxis, y, "y")):
            labels = list(ticks.values()) if isinstance(ticks, Mapping) else [f"{tick:g}" for tick in ticks]
            axis.set_ticks([], minor=True)
            axis.set_ticks(list(ticks), labels=[plain(label) for label in labels])
            if name in lines:
                axis.grid(visible=True, color=colour("line"), linewidth=1, clip_on=False)
        self.axes.set_axisbelow(True)

    def title(self, text: str, note: str = "") -> None:
        """A heading above the axes on the left, cut where it is too long, and a fainter note on the right."""
        room = self.wide - (width(note, NORMAL) + 12 if note else 0)
        heading = shorten(text, int(room / width("n", LARGE * BOLDER)))
        self.write(0, self.high - 14, heading, size=LARGE, weight="bold", colour="ink")
        if note:
            self.write(self.wide, self.high - 14, note, align="right")

    def name_axes(self, x: str, y: str) -> None:
        """What runs along the axes: `x` below its end, `y` above its top, both read without turning the head."""
        self.write(self.wide - self.margins[2], 4, x, align="right")
        self.write(0, self.high - self.margins[3] + 10, y, align="left")

    def write(
        self,
        x: float,
        y: float,
        text: str,
        *,
        colour: str = "soft",
        size: int = NORMAL,
        weight: str = "normal",
        align: str = "left",
        middle: bool = False,
    ) -> Text:
        """Letters at a place in pixels from the lower left corner of the panel."""
        return self._figure.text(
            x / self.wide,
            y / self.high,
            plain(text),
            color=PLACEHOLDERS[colour],
            fontsize=size,
            fontweight=weight,
            ha=align,
            va="center_baseline" if middle else "baseline",
        )

    def leader(self, start: tuple[float, float], end: tuple[float, float], hue: str) -> None:
        """A fine line from a point to its name, both in pixels from the lower left corner of the panel."""
        self.line([start, end], color=PLACEHOLDERS[hue], linewidth=0.8, alpha=0.6)

    def line(self, points: Sequence[tuple[float, float]], **look: Any) -> None:
        """A line through places in pixels from the lower left corner; `look` is in matplotlib's words."""
        from matplotlib.lines import Line2D

        across, up = zip(*((x / self.wide, y / self.high) for x, y in points), strict=True)
        self._figure.add_artist(Line2D(across, up, transform=self._figure.transFigure, **look))

    def hint(self, artist: Artist, text: str) -> None:
        """Tell this where the pointer rests on the artist."""
        artist.set_gid(f"hint-{len(self._hints)}")
        self._hints[f"hint-{len(self._hints)}"] = text

    def pixel(self, x: float, y: float) -> tuple[float, float]:
        """Where the axes' point lies, in pixels from the lower left corner of the panel."""
        across, up = self.axes.transData.transform((x, y))
        return float(across), float(up)

    def point(self, across: float, up: float) -> tuple[float, float]:
        """What lies at a place in pixels from the lower left corner of the panel, in units of the axes."""
        x, y = self.axes.transData.inverted().transform((across, up))
        return float(x), float(y)

    def svg(self, name: str, title: str, description: str) -> str:
        """The panel as an element of a page; equal drawings give equal text."""
        file = io.StringIO()
        self._figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None, "Type": None})
        return inline(file.getvalue(), name, title, description, self._hints)


def colour(name: str) -> Any:
    """What to draw with where the page's colour `--name` is meant."""
    return PLACEHOLDERS[name]


def rectangle(left: float, bottom: float, right: float, top: float, *, closed: bool = False) -> Path:
    """The outline of a box, in units of the axes; with `closed` its last corner is a corner like the others."""
    from matplotlib.path import Path

    return Path([(left, bottom), (left, top), (right, top), (right, bottom), (left, bottom)], closed=closed)


@contextmanager
def _settings() -> Iterator[None]:
    from matplotlib import rc_context, rcParamsDefault

    ours = {
        **{key: value for key, value in rcParamsDefault.items() if not key.startswith("backend")},
        "svg.fonttype": "none",
        "svg.hashsalt": "bench",
        "text.parse_math": False,  # a name with two dollar signs is a name
        "axes.unicode_minus": True,
        "path.simplify": False,
    }
    with rc_context(ours), warnings.catch_warnings():
        # the page's own fonts will show the letters that the measuring font lacks
        warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from font", UserWarning)
        warnings.filterwarnings("ignore", r"Matplotlib currently does not support .* natively", UserWarning)
        yield
