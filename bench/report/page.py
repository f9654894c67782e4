"""Writes the leaderboards as one HTML file that needs nothing but a browser: no host, no script, no other file."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from bench.domain.errors import BenchError
from bench.protocols import Protocol
from bench.report.commands import rerun, setting_text
from bench.report.leaderboards import Leaderboard, leaderboards
from bench.report.pictures import draw, labels
from bench.report.references import Reference, references
from bench.report.rows import differences
from bench.stats import Interval

if TYPE_CHECKING:
    from bench.domain.published import Published
    from bench.store.store import Store

TEMPLATES = Path(__file__).with_name("templates")
NORMS = {"linf": "ℓ∞", "l2": "ℓ₂", "l1": "ℓ₁", "l0": "ℓ₀"}
TITLE = "Robustness leaderboards"


def render(
    store: Store,
    output: Path,
    *,
    title: str = TITLE,
    protocols: Iterable[Protocol] | None = None,
    published: Iterable[Published] = (),
) -> Path:
    """Write the page of a store and return its path; equal stores give equal bytes.

    `published` figures stand below the leaderboards, those of the store's data sets alone. Missing folders are made.
    Raises `BenchError` where the file cannot be written.
    """
    boards = leaderboards(store, protocols)
    page = compose(boards, title, references(published, (board.example.dataset.name for board in boards)))
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(page, encoding="utf-8", newline="\n")
    except OSError as error:
        raise BenchError(
            f"The page could not be written to {output} ({error.strerror}); name another file with --output."
        ) from None
    return output


def compose(boards: tuple[Leaderboard, ...], title: str, published: tuple[Reference, ...] = ()) -> str:
    """The page's text. Names, settings and remarks come from plugins, so every one of them is escaped."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,  # select_autoescape would not know .html.j2
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(
        percent=_percent,
        span=_span,
        duration=_duration,
        memory=_memory,
        moment=_moment,
        setting=setting_text,
        passes=_passes,
    )
    environment.globals.update(draw=draw, labels=labels, rerun=rerun, differences=differences, norms=NORMS)
    style = (TEMPLATES / "page.css").read_text(encoding="utf-8")
    results = [result for board in boards for row in board.rows for result in row.found]
    return environment.get_template("page.html.j2").render(
        boards=boards,
        published=published,
        title=title,
        style=style,
        style_hash=base64.b64encode(hashlib.sha256(style.encode()).digest()).decode(),
        plans={result.plan.digest for result in results},
        defenses={row.defense.name for board in boards for row in board.rows},
        newest=max((result.finished for result in results), default=None),
    )


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"


def _span(interval: Interval) -> str:
    return f"{_percent(interval.low)}–{_percent(interval.high)}"


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def _memory(size: int) -> str:
    return f"{size / 2**20:.0f} MiB" if size < 2**30 else f"{size / 2**30:.1f} GiB"


def _moment(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M} UTC"


def _passes(count: float) -> str:
    return f"{count:,.0f}" if count >= 10 else f"{count:.1f}"
