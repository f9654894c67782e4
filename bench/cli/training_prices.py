"""What a study's trainings would take, as a table and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.table import Table

from bench.cli.console import escape, stdout
from bench.cli.prices import SIGNS, scaled

if TYPE_CHECKING:
    from bench.studies.forecast import TrainingForecast

COLUMNS = ("steps", "a step", "images", "passes", "crafting", "FLOP", "memory", "time")


def show(trainings: Sequence[TrainingForecast]) -> None:
    """The table of the trainings; nothing where there are none."""
    if not trainings:
        return
    table = Table(
        title="what is to be trained", title_justify="left", header_style="dim", box=None, padding=(0, 2, 0, 0)
    )
    for heading in ("training", "defense", *COLUMNS):
        table.add_column(heading, justify="right" if heading in COLUMNS else "left", overflow="fold")
    for each in trainings:
        table.add_row(f"[bold]{escape(each.name)}[/]", escape(each.defense), *_words(each))
    stdout.print(table)
    for each in trainings:
        if each.problem is not None:
            stdout.print(f"[red]failed[/] {escape(each.name)}: {escape(each.problem)}", highlight=False, soft_wrap=True)
    stdout.print(
        "[dim]Steps are timed on untouched images, and a training may settle before its last one. Images are the "
        "adversarial ones that it asks for, passes theirs a sample. Rows below have the weights that it began with.[/]"
    )


def documents(trainings: Sequence[TrainingForecast]) -> list[dict[str, Any]]:
    """The trainings as plain JSON data."""
    return [
        {
            "training": each.name,
            "defense": each.defense,
            "problem": each.problem,
            "steps": None if each.tried is None else each.tried.steps,
            "seconds_a_step": None if each.tried is None else each.tried.a_step,
            "images": each.images,
            "forwards_per_image": 0.0 if each.crafting is None else each.crafting.forwards,
            "backwards_per_image": 0.0 if each.crafting is None else each.crafting.backwards,
            "crafting_seconds": each.crafting_seconds,
            "flop": each.flop,
            "flop_is": "a lower bound",
            "peak_memory": each.peak_memory,
            "seconds": each.seconds,
            "hours": each.seconds / 3600,
            "certainty": each.certainty,
        }
        for each in trainings
    ]


def _words(each: TrainingForecast) -> list[str]:
    from bench.report.formats import brief, duration, memory, passes

    if each.tried is None:
        return [""] * len(COLUMNS)
    found, sign = each.crafting, SIGNS[each.certainty]
    return [
        f"{each.tried.steps:,.0f}",
        brief(each.tried.a_step),
        f"{each.images:,}" if each.images else "",
        passes(found.forwards + found.backwards) if found is not None else "",
        f"{SIGNS[found.certainty]}{duration(each.crafting_seconds)}" if found is not None else "",
        f"≥ {scaled(each.flop)}",
        memory(each.peak_memory),
        f"{sign}{duration(each.seconds)}",
    ]
