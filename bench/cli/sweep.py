"""`bench sweep`: a protocol's attacks x defenses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from bench.cli import options, panels
from bench.cli.console import print_json, stderr, stdout

if TYPE_CHECKING:
    from bench.evaluation.sweep import Cell
    from bench.report.summary import Result
    from bench.store.store import Store

FAILED = 1


def sweep(
    protocol: Annotated[str, typer.Argument(help="A protocol's name, or a .toml file of your own.")],
    defense: Annotated[
        list[str], typer.Option("--defense", help="A defense; may be given several times. 'all' takes every one.")
    ],
    attack: Annotated[
        list[str] | None, typer.Option("--attack", help="Only these of the protocol's attacks, or others beside them.")
    ] = None,
    dataset: options.Dataset = options.DEFAULT_DATASET,
    dataset_settings: options.DatasetSettings = None,
    data_dir: options.DataDir = None,
    device: options.Device = "auto",
    workers: Annotated[
        int | None, typer.Option("--workers", envvar="BENCH_WORKERS", min=1, help="Processes; changes no result.")
    ] = None,
    db: options.Database = options.DEFAULT_DATABASE,
    as_json: options.Json = False,
) -> None:
    """Fill a leaderboard: every defense under every attack of a protocol; a repeated command fills the gaps."""
    from bench.evaluation.environment import resolve_device
    from bench.evaluation.planning import Request
    from bench.evaluation.sweep import cells, choose_defenses
    from bench.evaluation.sweep import sweep as run
    from bench.progress import EvaluationProgress
    from bench.protocols import find_protocol
    from bench.settings import parse_pairs
    from bench.store.store import Store

    found = find_protocol(protocol)
    request = Request(
        defense="",
        attack="",
        protocol=found,
        dataset=dataset,
        dataset_settings=parse_pairs(dataset_settings or ()),
        data_dir=data_dir,
    )
    names, attacks = choose_defenses(defense), attack or [entry.name for entry in found.attacks]
    requests, store = cells(request, names, attacks), Store(db)
    done: list[tuple[Cell, Result | None]] = []
    with EvaluationProgress(stderr, quiet=as_json) as progress:
        progress.cells(len(requests))
        for cell in run(requests, store, progress, lambda: resolve_device(device), data_dir, workers):
            done.append((cell, _result(cell, store)))
            progress.cell_done(_line(*done[-1]))
    if as_json:
        print_json([_document(cell, result) for cell, result in done])
    else:
        stdout.print(_table(done, names, attacks))
        _show_problems(done)
    if any(cell.failed or (result is not None and result.invalid) for cell, result in done):
        raise typer.Exit(FAILED)


def register(app: typer.Typer) -> None:
    """Add the verb of this module."""
    app.command()(sweep)


def _result(cell: Cell, store: Store) -> Result | None:
    from bench.report.summary import summarise

    if cell.evaluation is None:
        return None
    plan = cell.evaluation.plan
    outcomes = store.outcomes(plan)
    return summarise(plan, outcomes, store.shards(plan)) if outcomes else None


def _line(cell: Cell, result: Result | None) -> str:
    name = f"[bold]{escape(cell.defense)}[/] under {escape(cell.attack)}"
    if result is None or cell.evaluation is None:
        return f"[red]failed[/] {name}"
    seconds = f"[dim]{cell.evaluation.seconds:.1f} s[/]"
    return f"{_figure(result)} {name} {seconds}" + (" [red]incomplete[/]" if cell.failed else "")


def _figure(result: Result) -> str:
    colour = panels.ASSURANCE_COLOURS.get(result.assurance, "cyan")
    if result.invalid:
        return f"[{colour}]invalid[/]"
    low, high = 100 * result.interval.low, 100 * result.interval.high
    return f"[bold {colour}]{result.robust_accuracy:.2%}[/] [dim]\\[{low:.1f}, {high:.1f}][/]"


def _table(done: list[tuple[Cell, Result | None]], names: tuple[str, ...], attacks: list[str]) -> Table:
    table = Table(title="robust accuracy", title_justify="left", header_style="dim", box=None, padding=(0, 2, 0, 0))
    for heading in ("defense", "clean", *attacks):
        table.add_column(heading, justify="left" if heading == "defense" else "right", overflow="fold")
    for name in names:
        row = {cell.attack: result for cell, result in done if cell.defense == name}
        clean = next((f"{result.clean_accuracy:.2%}" for result in row.values() if result is not None), "")
        figures = ["[red]failed[/]" if row.get(attack) is None else _figure(row[attack]) for attack in attacks]  # type: ignore[arg-type]
        table.add_row(f"[bold]{escape(name)}[/]", clean, *figures)
    return table


def _show_problems(done: list[tuple[Cell, Result | None]]) -> None:
    for cell, _ in done:
        if cell.problem is not None:
            where = f"{escape(cell.defense)} under {escape(cell.attack)}"
            stderr.print(f"[red bold]Failed[/] {where}: {escape(cell.problem)}", highlight=False, soft_wrap=True)
        elif cell.evaluation is not None:
            panels.show_failures(cell.evaluation.failures)


def _document(cell: Cell, result: Result | None) -> dict[str, object]:
    if result is not None and cell.evaluation is not None:
        return panels.evaluation_document(result, cell.evaluation)
    failures = [] if cell.evaluation is None else [failure.sentence for failure in cell.evaluation.failures]
    return {"defense": cell.defense, "attack": cell.attack, "problem": cell.problem or "; ".join(failures)}
