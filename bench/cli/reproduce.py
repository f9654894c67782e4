"""`bench reproduce`: a paper's experiments from nothing to a page that says what holds."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from bench.cli import options
from bench.cli.console import print_json, stderr, stdout
from bench.cli.dry_run import DryRun

if TYPE_CHECKING:
    from bench.domain.plan import Plan
    from bench.protocols.studies import Cell, Study
    from bench.report.reproduction import Reproduction
    from bench.store.store import Store

FAILED = 1
COLOURS = {"holds": "green", "does not hold": "red", "cannot be told": "yellow", "not measured": "dim"}


def reproduce(
    study: Annotated[str, typer.Argument(help="A study's name (`bench list studies`), or a .toml file of your own.")],
    dataset: options.Dataset = options.DEFAULT_DATASET,
    scale: Annotated[str, typer.Option("--scale", help="full, or a smaller one that the study names.")] = "full",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The page [reports/STUDY-DATASET/index.html].")
    ] = None,
    folder: Annotated[
        Path | None, typer.Option("--weights", help="Where trained weights are kept [runs/STUDY-DATASET].")
    ] = None,
    data_dir: options.DataDir = None,
    device: options.Device = "auto",
    workers: options.Workers = None,
    executor: options.Executor = options.DEFAULT_EXECUTOR,
    shard_timeout: options.ShardTimeout = None,
    replay: options.Replay = options.DEFAULT_REPLAY,
    db: options.Database = options.DEFAULT_DATABASE,
    artifacts: options.Artifacts = None,
    only_priced: options.OnlyPriced = False,
    as_json: options.Json = False,
) -> None:
    """Train what a study needs, run its cells, and write the page: what was printed, what was measured, what holds.

    The same command goes on where an interrupted one stopped; of a finished one it writes the same page again.
    """
    from bench.evaluation.study import requests
    from bench.protocols.studies import find_study
    from bench.report.reproduction import reproduce as read
    from bench.report.study_page import render
    from bench.store.store import Store
    from bench.training.study import finished, place

    found = find_study(study, dataset, scale)
    page = output or Path("reports") / f"{found.name}-{dataset}" / "index.html"
    runs = folder or Path("runs") / f"{found.name}-{dataset}"
    if only_priced:
        there = {each.name: finished(place(each, found, runs)) for each in found.trainings}
        known = {name: weights for name, weights in there.items() if weights is not None}
        untrained = [name for name in there if name not in known]
        if untrained:
            stderr.print(f"Still to be trained, and not priced: {escape(', '.join(untrained))}.", highlight=False)
        cells = requests(found, known, data_dir)
        DryRun(db, artifacts, device, data_dir, workers, executor, replay, as_json).of_cells(cells)
        return
    weights = _trained(found, runs, device, data_dir, as_json)
    store = Store(db, artifacts=artifacts)
    plans, problems = _measured(
        found, weights, store, device, data_dir, workers, replay, executor, shard_timeout, as_json
    )
    reproduction = read(found, plans, store)
    render(reproduction, page, _command(study, dataset, scale))
    if as_json:
        print_json({**reproduction.document(), "page": str(page), "problems": problems})
    else:
        _show(reproduction, page)
    for problem in problems:
        stderr.print(f"[red bold]Failed[/] {escape(problem)}", highlight=False, soft_wrap=True)
    if problems:
        raise typer.Exit(FAILED)


def _trained(study: Study, folder: Path, device: str, data_dir: Path | None, quiet: bool) -> dict[str, Path]:
    """The weights of every training, made one after the other where they are missing."""
    from bench.loading.environment import resolve_device
    from bench.progress import training_progress
    from bench.training.study import make_weights

    weights = {}
    for number, training in enumerate(study.trainings, start=1):
        title = f"training {number} of {len(study.trainings)}, [bold]{escape(training.name)}[/]"
        with training_progress(stderr, title, quiet) as watch:
            weights[training.name] = make_weights(
                training, study, folder, lambda: resolve_device(device), watch, data_dir
            )
    return weights


def _measured(
    study: Study,
    weights: dict[str, Path],
    store: Store,
    device: str,
    data_dir: Path | None,
    workers: int | None,
    replay: int,
    executor: str,
    shard_timeout: float | None,
    quiet: bool,
) -> tuple[dict[Cell, Plan], list[str]]:
    """The plans of the cells after their evaluation in one queue, and a sentence for each that failed."""
    from bench.evaluation.study import requests
    from bench.evaluation.sweep import sweep
    from bench.progress import EvaluationProgress

    cells = requests(study, weights, data_dir)
    plans: dict[Cell, Plan] = {}
    problems = []
    with EvaluationProgress(stderr, quiet=quiet) as progress:
        progress.cells(len(cells))
        for cell in sweep(cells, store, progress, device, data_dir, workers, replay, executor, shard_timeout):
            name = f"{cell.defense}, {cell.attack}"
            progress.cell_done(f"{'[red]failed[/]' if cell.failed else 'done'} [bold]{escape(name)}[/]")
            if cell.evaluation is not None:
                plans[cell.defense, cell.attack] = cell.evaluation.plan
                problems += [f"{name}: {failure.sentence}" for failure in cell.evaluation.failures]
            else:
                problems.append(f"{name}: {cell.problem}")
    return plans, problems


def _command(study: str, dataset: str, scale: str) -> str:
    words = ["bench", "reproduce", study, "--dataset", dataset]
    return shlex.join([*words, "--scale", scale] if scale != "full" else words)


def _show(reproduction: Reproduction, page: Path) -> None:
    """The verdicts as a table, and where the page is."""
    from bench.report.comparison import likelihood, signed

    table = Table(title="claims", title_justify="left", header_style="dim", box=None, padding=(0, 2, 0, 0))
    for heading in ("verdict", "claim", "points", "p"):
        table.add_column(heading, justify="right" if heading in ("points", "p") else "left", overflow="fold")
    for each in reproduction.judgements:
        colour = COLOURS[each.verdict]
        figures = ("", "") if each.verdict == "not measured" else (signed(each.difference), likelihood(each.adjusted))
        table.add_row(f"[{colour}]{each.verdict}[/]", escape(each.claim.text), *figures)
    stdout.print(table)
    stdout.print(f"The page is {page}.", highlight=False, soft_wrap=True)


def register(app: typer.Typer) -> None:
    """Add the verb of this module."""
    app.command()(reproduce)
