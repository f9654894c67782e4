"""Writes a reproduced study as one HTML file that needs nothing but a browser: no host, no script, no other file."""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.analysis.claims.reproduction import Measured, Reproduction
from bench.analysis.claims.study_claims import VERDICTS, Judgement
from bench.analysis.notation import signed
from bench.domain.errors import UsageError
from bench.pages import markup
from bench.pages.whole_files import refuse_stdout
from bench.stats import Interval

if TYPE_CHECKING:
    from bench.protocols.studies import Cell, StudySeries

RELATIONS = {"above": "above", "below": "below", "equal": "equal to"}


@dataclass(frozen=True)
class Chart:
    """A series as the page draws it: of each column the measured steps, as places from 0 to 100 of the axis, with what
    was measured there."""

    title: str
    ticks: tuple[tuple[int, float], ...]
    low: float
    lines: tuple[tuple[str, tuple[tuple[float, int, Measured], ...]], ...]


def render(reproduction: Reproduction, output: Path, command: str) -> Path:
    """Write the page, whole, and beside it its figures as JSON, and return its path; equal stores give equal bytes.

    Missing folders are made. `command` made it and is shown. Raises `BenchError` where a file cannot be written, and
    what `figures_beside` raises.
    """
    beside = figures_beside(output)
    figures = json.dumps(reproduction.document(), indent=1, ensure_ascii=False)
    for path, text in ((output, compose(reproduction, command, beside.name)), (beside, f"{figures}\n")):
        markup.write(text, path)
    return output


def figures_beside(page: Path) -> Path:
    """Where a page's figures go. Raises `UsageError` where the page itself is to go there."""
    refuse_stdout(page, "The page", "name a file with --output")
    beside = page.with_suffix(".json") if page.name else page
    if beside == page:
        raise UsageError(f"{page} is where the page's figures would go; give the page another name, such as page.html.")
    return beside


def compose(reproduction: Reproduction, command: str, figures: str = "index.json") -> str:
    """The page's text; `figures` is the file of its figures beside it.

    Names come from a study and from plugins, so every one of them is escaped.
    """
    study = reproduction.study
    charts = [_chart(reproduction, series) for series in study.series]
    results = [found.result for found in reproduction.measured.values() if found.result is not None]
    counts = Counter(judgement.verdict for judgement in reproduction.judgements)
    drawn = [(title, found) for (title, _, _), found in reproduction.drawn.items() if found is not None]
    return markup.compose(
        "study.html.j2",
        styles=("page.css", "study.css"),
        filters={"ends": _ends, "against": _against, "named": _named, "cell": _cell},
        study=study,
        measured=reproduction.measured,
        charts=charts,
        drawn=reproduction.drawn,
        examples=dict(reversed(drawn)),  # the first of each
        judgements=reproduction.judgements,
        verdicts=[(verdict, counts[verdict]) for verdict in VERDICTS if counts[verdict]],
        unconfirmed=[each for each in reproduction.judgements if each.verdict != "holds"],
        outside=[found for found in reproduction.measured.values() if found.covers is False],
        example=results[0] if results else None,
        command=command,
        figures=figures,
    )


def _chart(reproduction: Reproduction, series: StudySeries) -> Chart:
    """The steps stand at equal distances, for they are chosen and not spread; the axis begins at a whole ten."""
    ticks = {step: 100 * place / max(1, len(series.steps) - 1) for place, step in enumerate(series.steps)}
    lines = []
    for column in series.columns:
        cells = [
            (ticks[step], step, reproduction.measured[row, column])
            for step, row in zip(series.steps, series.rows, strict=True)
        ]
        lines.append((column, tuple(cell for cell in cells if cell[2].figure is not None)))
    lows = [found.figure.interval.low for _, line in lines for _, _, found in line if found.figure is not None]
    low = math.floor(10 * min(lows, default=0.0)) / 10
    return Chart(series.title, tuple(ticks.items()), min(low, 0.9), tuple(lines))


def _ends(interval: Interval) -> str:
    """The ends of an interval of a difference, in points with their signs."""
    return f"{signed(interval.low)} to {signed(interval.high)}"


def _against(judgement: Judgement) -> str:
    """What a claim says, in the names of its cells: 'TMDC under PGD-40 above Diffusion Classifier under PGD-40'."""
    claim = judgement.claim
    first = _cell(claim.cell) if claim.drawn is None else f"Over all draws: {_cell(claim.cell)}"
    other = f"{100 * claim.other:g} %" if isinstance(claim.other, float) else _cell(claim.other)
    within = f" to within {100 * claim.margin:g} points" if claim.relation == "equal" else ""
    return f"{first} {RELATIONS[claim.relation]} {other}{within}"


def _named(column: str) -> str:
    return "untouched" if column == "clean" else column


def _cell(cell: Cell) -> str:
    return f"{cell[0]}, {_named(cell[1])}"
