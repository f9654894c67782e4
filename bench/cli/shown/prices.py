"""What a call would take, row by row, as a table and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.table import Table

from bench.cli.console import counted, escape, say, stdout, table

if TYPE_CHECKING:
    from bench.evaluation.estimates.estimate import Estimate
    from bench.evaluation.estimates.forecast import Forecast, Outlay
    from bench.evaluation.estimates.parts import Part
    from bench.studies.forecast import TrainingForecast

PASSES = ("forward", "backward", "judged")
COLUMNS = ("defense", "attack", "shards", "samples", *PASSES, "FLOP", "memory", "a pass", "time")
KNOWN = "how that is known"
NARROW = ("defense", "attack", "FLOP", "memory", "time")
"""The columns that a terminal of less than `WIDE` characters has room for; what is left out is in the JSON."""
WIDE = 140
FLOP = (
    "Passes are a sample. FLOP count the matrix products, convolutions and attention of two images, so they are a "
    "lower bound, and more so for a classifier that draws at random how much it computes, or stops early."
)
SIGNS = {"measured": "", "extrapolated": "≈ ", "at least": "≥ "}
PREFIXES = ("", "k", "M", "G", "T", "P", "E", "Z")


@dataclass(frozen=True)
class Priced:
    """A row of a call under its names: what it would take, or the `problem` why that cannot be said."""

    defense: str
    attack: str
    forecast: Forecast | None
    problem: str | None

    def document(self, workers: int) -> dict[str, Any]:
        """The row as plain JSON data."""
        found = self.forecast
        names = {"defense": self.defense, "attack": self.attack}
        if found is None or self.problem is not None:
            return {**names, "problem": self.problem}
        return {
            **names,
            "plan": found.row.plan.digest,
            "shards": len(found.row.plan.shards()),
            "shards_left": len(found.row.own.shards),
            "samples_left": found.row.own.samples,
            "elsewhere": found.row.elsewhere,
            "work": [_document(*pair, workers) for pair in found.estimates],
            "seconds": sum(estimate.lasts(workers) for _, estimate in found.estimates),
            "problem": None,
        }


def total(priced: Sequence[Priced], outlay: Outlay, trainings: Sequence[TrainingForecast] = ()) -> dict[str, Any]:
    """What the whole call would take, `trainings` before it included, as JSON data."""
    found = _estimates(priced)
    seconds = outlay.seconds + sum(each.seconds for each in trainings)
    problems = [row.problem for row in priced] + [each.problem for each in trainings]
    memory = [estimate.peak_memory for _, estimate in found] + [each.peak_memory for each in trainings]
    certainties = [estimate.certainty for _, estimate in found] + [each.certainty for each in trainings]
    return {
        "workers": outlay.workers,
        "shards": sum(len(part.shards) for part, _ in found),
        "flop": sum(estimate.flop for _, estimate in found) + sum(each.flop for each in trainings),
        "flop_is": "a lower bound",
        "peak_memory": max(memory, default=0),
        "seconds": seconds,
        "hours": seconds / 3600,
        "certainty": max(certainties, default="measured", key=list(SIGNS).index),
        "problems": sum(problem is not None for problem in problems),
    }


def show(priced: Sequence[Priced], outlay: Outlay, trainings: Sequence[TrainingForecast] = ()) -> None:
    """The table of the rows, and a line for the whole, `trainings` included."""
    from bench.analysis.notation import duration, memory

    rows = [words for row in priced for words in _rows(row, outlay.workers)]
    stdout.print(tabulated("what is left to do", rows, (*COLUMNS, KNOWN), NARROW, left=("defense", "attack", KNOWN)))
    for row in priced:
        if row.problem is not None:
            told_problem(f"{row.defense}, {row.attack}", row.problem)
    stdout.print(f"[dim]{FLOP}[/]")
    whole = total(priced, outlay, trainings)
    before = f"{counted(len(trainings), 'training')} and " if trainings else ""
    how = {"measured": "", "extrapolated": "about "}.get(whole["certainty"], "at least ")
    stdout.print(
        f"In all {how}[bold]{duration(whole['seconds'])}[/] ({whole['hours']:.3g} hours) and at least "
        f"{scaled(whole['flop'])}FLOP for {before}{counted(whole['shards'], 'shard')} with "
        f"{counted(whole['workers'], 'worker')}, and {memory(whole['peak_memory'])} each. Nothing was stored.",
        highlight=False,
    )


def tabulated(
    title: str, rows: Sequence[Sequence[str]], columns: Sequence[str], narrow: Sequence[str], left: Sequence[str]
) -> Table:
    """Rows of text as a table: of all columns, or of those that a narrow terminal has room for."""
    shown = columns if stdout.width >= WIDE else narrow
    places = [columns.index(heading) for heading in shown]
    return table(title, shown, ([row[place] for place in places] for row in rows), right={*shown} - {*left})


def told_problem(name: str, problem: str) -> None:
    """A line for what cannot be priced."""
    say(f"[red]failed[/] {escape(name)}: {escape(problem)}")


def _rows(row: Priced, workers: int) -> list[list[str]]:
    """What stands in the columns of each line of a row."""
    names = [f"[bold]{escape(row.defense)}[/]", escape(row.attack)]
    nothing = [""] * (len(COLUMNS) - 3)
    if row.forecast is None or row.problem is not None:
        return [[*names, *nothing, "[red]failed[/]", ""]]
    if not row.forecast.estimates:
        why = "another row's" if row.forecast.row.elsewhere else "every shard is stored"
        return [[*names, "0", "0", *nothing[2:], "nothing", f"[dim]{why}[/]"]]
    return [_words(row, part, estimate, workers) for part, estimate in row.forecast.estimates]


def _words(row: Priced, part: Part, estimate: Estimate, workers: int) -> list[str]:
    from bench.analysis.notation import brief, duration, memory, passes

    own = row.forecast is not None and part is row.forecast.row.own
    sign = SIGNS[estimate.certainty]
    attacked = part.crafts and (estimate.forwards or estimate.backwards)
    basis = estimate.basis if estimate.certainty == "measured" else f"{estimate.certainty}: {estimate.basis}"
    return [
        f"[bold]{escape(row.defense)}[/]" if own else f"[dim]for it, {escape(part.plan.defense.name)}[/]",
        escape(row.attack),
        str(len(part.shards)),
        f"{estimate.samples:,}",
        f"{sign}{passes(estimate.forwards)}" if attacked else "",
        f"{sign}{passes(estimate.backwards)}" if attacked else "",
        passes(estimate.judged),
        f"≥ {scaled(estimate.flop)}",
        memory(estimate.peak_memory),
        brief(estimate.seconds_a_pass),
        f"{sign}{duration(estimate.lasts(workers))}",
        f"[dim]{escape(basis)}[/]",
    ]


def _document(part: Part, estimate: Estimate, workers: int) -> dict[str, Any]:
    return {
        "plan": part.plan.digest,
        "defense": part.plan.defense.name,
        "crafts": part.crafts,
        "shards": len(part.shards),
        "samples": estimate.samples,
        "forwards_per_sample": estimate.forwards,
        "backwards_per_sample": estimate.backwards,
        "judged_per_sample": estimate.judged,
        "flop": estimate.flop,
        "flop_is": "a lower bound",
        "peak_memory": estimate.peak_memory,
        "seconds_a_pass": estimate.seconds_a_pass,
        "seconds": estimate.lasts(workers),
        "hours": estimate.lasts(workers) / 3600,
        "certainty": estimate.certainty,
        "basis": estimate.basis,
    }


def _estimates(priced: Sequence[Priced]) -> list[tuple[Part, Estimate]]:
    return [pair for row in priced if row.forecast is not None for pair in row.forecast.estimates]


def scaled(number: float) -> str:
    """A large number with its unit's prefix to follow: '3.2 G'. By hand, for matplotlib's takes long to import."""
    power = 0
    while number >= 999.5 and power < len(PREFIXES) - 1:
        number, power = number / 1000, power + 1
    return f"{number:.3g} {PREFIXES[power]}"
