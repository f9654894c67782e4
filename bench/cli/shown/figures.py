"""One result in a terminal: its number on a line, its label, its doubts, and what the harness saw."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from bench.cli.console import escape
from bench.domain.threat import format_epsilon

if TYPE_CHECKING:
    from bench.analysis.evidence.assurance import Assurance
    from bench.analysis.results.summary import Result
    from bench.stats import Interval, Proportion

ASSURANCE_COLOURS = {
    **{"invalid": "red", "claimed": "red", "transfer": "yellow", "black-box": "yellow"},
    **{"white-box": "green", "adaptive": "green", "certified": "green"},
}
_BAR = 40


def figures(result: Result) -> list[Any]:
    """The number with its interval and its label, and everything that is to be known with it."""
    plan, hue = result.plan, colour(result.assurance)
    if result.invalid:
        headline = Text.assemble(
            ("refused          ", "dim"),
            (f"{result.robust_accuracy:.2%}", "strike"),
            ("   invalid", f"bold {hue}"),
            ": not a robustness number, kept off every leaderboard",
        )
    else:
        what = "clean accuracy   " if plan.is_untouched else "robust accuracy  "
        headline = Text.assemble(
            (what, "dim"),
            (f"{result.robust_accuracy:.2%}", f"bold {hue}"),
            f"   95 % interval [{_percent(result.interval)}]",
            ("   " + result.assurance.text, f"bold {hue}"),
        )
    clean = Text.assemble(
        ("clean accuracy   ", "dim"),
        f"{result.clean_accuracy:.2%}   95 % interval [{_percent(result.clean_interval)}]",
    )
    bar = [] if result.invalid else [_bar(result.interval, result.robust_accuracy, hue)]
    lines: list[Any] = [headline, *bar] if plan.is_untouched else [headline, *bar, clean]
    if plan.draws > 1:
        worst, vote = result.robust.worst.rate, result.robust.majority.rate
        lines.append(Text(f"of {plan.draws} draws      worst {worst:.2%}, majority vote {vote:.2%}"))
    if result.certified:
        lines += [Text(""), _by("radius", "certified accuracy", result.certified)]
    if result.by_epsilon:
        lines += [Text(""), _by("epsilon", "accuracy by the nearest images found", result.by_epsilon)]
    lines += [Text(""), Text(_circumstances(result), style="dim")]
    lines += [Text(f"remark: {remark}", style="yellow") for remark in result.remarks]
    lines += [Text(f"doubt: {doubt}", style="yellow") for doubt in result.doubts]
    lines += [Text(f"invalid: {reason}", style="red") for reason in result.invalid]
    return lines


def seen(result: Result) -> list[Text]:
    """What the harness observed, and to which part of an attack the samples fell."""
    from bench.analysis.results.sightings import falls, sightings, traits

    pairs = (*traits([result]), *sightings(result))
    lines = [Text(", ".join(f"{name}: {words}" for name, words in pairs), style="dim")] if pairs else []
    parts = ", ".join(f"{fall.name} {fall.count}" for fall in falls(result))
    return [*lines, *([Text(f"fell to: {parts}", style="dim")] if parts else [])]


def _by(what: str, of: str, shares: Mapping[float, Proportion]) -> Table:
    """Accuracy by radius or by epsilon."""
    table = Table(what, of, "95 % interval", box=None, header_style="dim", padding=(0, 3, 0, 0))
    for value, share in shares.items():
        table.add_row(f"{value:.4g}", f"{share.rate:.2%}", escape(f"[{_percent(share.interval)}]"))
    return table


def colour(assurance: Assurance) -> str:
    """The colour in which a number of this assurance is shown."""
    return "yellow" if assurance.fixed_noise else ASSURANCE_COLOURS.get(assurance.level, "cyan")


def ends(interval: Interval) -> str:
    """An interval in percent, dim beside its number."""
    return f"[dim]\\[{100 * interval.low:.1f}, {100 * interval.high:.1f}][/]"


def _percent(interval: Interval) -> str:
    return f"{100 * interval.low:.2f}, {100 * interval.high:.2f}"


def _bar(interval: Interval, rate: float, hue: str) -> Text:
    """The number on a line from 0 to 100 %, its interval drawn thick."""
    low, high, point = (round(value * (_BAR - 1)) for value in (interval.low, interval.high, rate))
    cells = ["━" if low <= cell <= high else "─" for cell in range(_BAR)]
    cells[point] = "●"
    bar = Text("                 0 ", style="dim")
    for cell in cells:
        bar.append(cell, style="dim" if cell == "─" else hue)
    return bar.append(" 100", style="dim")


def _circumstances(result: Result) -> str:
    plan = result.plan
    source = "attacked itself" if plan.source is None else f"images crafted on {plan.source.name}"
    known = ", which the attack knows" if plan.fixed_noise else ""
    attack = f"{plan.threat.norm} epsilon {format_epsilon(plan.threat.epsilon)}, {source}"
    return (
        f"n {result.n}, {'the images as they are' if plan.is_untouched else attack}, sample seed {plan.sample_seed}, "
        f"seed {plan.seed}, {plan.draws} draw{'s' if plan.draws > 1 else ''}{known}"
    )
