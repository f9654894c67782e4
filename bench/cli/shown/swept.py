"""How a sweep looks in a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rich.table import Table

from bench.cli.console import escape, stdout
from bench.cli.console import table as tabulated
from bench.cli.shown.figures import colour as colour_of
from bench.cli.shown.figures import ends

if TYPE_CHECKING:
    from bench.analysis.results.summary import Result
    from bench.evaluation.sweep import Cell
    from bench.stats import Proportion


def line(cell: Cell, result: Result | None) -> str:
    """A cell that has ended, in one line."""
    name = f"[bold]{escape(cell.defense)}[/] under {escape(cell.attack)}"
    if result is None or cell.evaluation is None:
        return f"[red]failed[/] {name}"
    seconds = f"[dim]{cell.evaluation.seconds:.1f} s[/]"
    return f"{_figure(result)} {name} {seconds}" + (" [red]incomplete[/]" if cell.failed else "")


def _figure(result: Result) -> str:
    colour = colour_of(result.assurance)
    if result.invalid:
        return f"[{colour}]invalid[/]"
    return f"[bold {colour}]{result.robust_accuracy:.2%}[/] {ends(result.interval)}"


def table(done: Sequence[tuple[Cell, Result | None]], rows: Sequence[str], columns: Sequence[str]) -> Table:
    """Defenses down, attacks across; of a sweep of one row its many columns down."""
    found = {(cell.defense, cell.attack): result for cell, result in done}
    shares = {row: [_clean(found, row, columns), *(_cell(found[row, column]) for column in columns)] for row in rows}
    names = ("[dim]clean[/]", *(f"[bold]{escape(column)}[/]" for column in columns))
    if len(columns) > max(4, len(rows)):
        turned = zip(names, *shares.values(), strict=True)
        return tabulated("robust accuracy", ("attack", *rows), turned, right=rows)
    lines = ((f"[bold]{escape(row)}[/]", *cells) for row, cells in shares.items())
    return tabulated("robust accuracy", ("defense", "clean", *columns), lines, right=("clean", *columns))


def _cell(result: Result | None) -> str:
    return "[red]failed[/]" if result is None else _figure(result)


def _clean(found: Mapping[tuple[str, str], Result | None], row: str, columns: Sequence[str]) -> str:
    results = (found[row, column] for column in columns)
    return next((f"{result.clean_accuracy:.2%}" for result in results if result is not None), "")


def show_corruptions(results: Sequence[Result]) -> None:
    """The errors under common corruptions by kind, and their mean, where all of them were run."""
    from bench.analysis.boards.corruptions import corruption_errors

    for found in corruption_errors(results):
        if found.mean is None:
            continue
        heading = f"{escape(found.example.defense.name)}: mean corruption error {found.mean.rate:.2%}"
        headings = ("corruption", "mean error", "by severity 1 to 5")
        rows = ((kind, f"{share.rate:.2%}", _severities(found.errors[kind])) for kind, share in found.by_kind.items())
        stdout.print(tabulated(heading, headings, rows, right=headings[1:]))


def _severities(errors: Mapping[int, Proportion]) -> str:
    return "  ".join(f"{100 * each.rate:5.1f}" for each in errors.values())
