"""What a study's trainings would take, as a table and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bench.cli.console import escape, stdout
from bench.cli.shown.prices import SIGNS, scaled, tabulated, told_problem

if TYPE_CHECKING:
    from bench.studies.forecast import TrainingForecast

NAMES = ("training", "defense")
COLUMNS = ("steps", "a step", "images", "passes", "crafting", "FLOP", "memory", "time")
NARROW = ("training", "steps", "FLOP", "memory", "time")


def show(trainings: Sequence[TrainingForecast]) -> None:
    """The table of the trainings; nothing where there are none."""
    if not trainings:
        return
    rows = [[f"[bold]{escape(each.name)}[/]", escape(each.defense), *_words(each)] for each in trainings]
    stdout.print(tabulated("what is to be trained", rows, (*NAMES, *COLUMNS), NARROW, left=NAMES))
    for each in trainings:
        if each.problem is not None:
            told_problem(each.name, each.problem)
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
    from bench.analysis.notation import brief, duration, memory, passes

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
