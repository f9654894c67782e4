"""`bench reproduce`: a paper's experiments from nothing to a page that says what holds."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from bench.cli import completing, options
from bench.cli.console import escape, print_json, stderr, stdout
from bench.cli.shown.dry_run import DryRun

if TYPE_CHECKING:
    from bench.analysis.claims.reproduction import Reproduction
    from bench.domain.plan import Plan
    from bench.evaluation.sweep import Cell as SweptCell
    from bench.progress import EvaluationProgress
    from bench.protocols.studies import Cell, Study

FAILED = 1
COLOURS = {"holds": "green", "does not hold": "red", "cannot be told": "yellow", "not measured": "dim"}


def reproduce(
    study: Annotated[
        str,
        typer.Argument(
            help="A study's name (`bench list studies`), or a .toml file of your own.",
            autocompletion=completing.studies,
        ),
    ],
    dataset: options.Dataset = options.DEFAULT_DATASET,
    scale: Annotated[
        str,
        typer.Option(
            "--scale",
            help="full, or a smaller one that the study names.",
            rich_help_panel=options.WHAT,
            autocompletion=completing.scales,
        ),
    ] = "full",
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="The page.",
            show_default="reports/STUDY-DATASET/index.html",
            rich_help_panel=options.OUTPUT,
        ),
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option(
            "--weights",
            help="Where trained weights are kept.",
            show_default="runs/STUDY-DATASET",
            rich_help_panel=options.WHERE,
        ),
    ] = None,
    device: options.Device = "auto",
    workers: options.Workers = None,
    executor: options.Executor = options.DEFAULT_EXECUTOR,
    shard_timeout: options.ShardTimeout = None,
    replay: options.Replay = options.DEFAULT_REPLAY,
    data_dir: options.DataDir = None,
    db: options.Database = options.DEFAULT_DATABASE,
    artifacts: options.Artifacts = None,
    only_priced: options.OnlyPriced = False,
    quiet: options.Quiet = False,
    as_json: options.Json = False,
) -> None:
    """Train what a study needs, run its cells, and write the page: what was printed, what was measured, what holds.

    The same command goes on where an interrupted one stopped; of a finished one it writes the same page again.
    """
    from bench.analysis.claims.reproduction import reproduce as read
    from bench.evaluation.sweep import sweep
    from bench.pages.study_page import figures_beside, render
    from bench.progress import EvaluationProgress
    from bench.protocols.studies import find_study
    from bench.store.store import Store
    from bench.studies.cells import network_passes, requests

    found = find_study(study, dataset, scale)
    page = output or Path("reports") / f"{found.name}-{dataset}" / "index.html"
    runs = folder or Path("runs") / f"{found.name}-{dataset}"
    figures_beside(page)  # which complains before there is work to lose
    if only_priced:
        DryRun(db, artifacts, device, data_dir, workers, executor, replay, as_json, quiet).of_study(found, runs)
        return
    store = Store(db, artifacts=artifacts)
    with EvaluationProgress(stderr, quiet=quiet or as_json) as progress:
        progress.cells(len(found.trainings) + len(found.evaluated()), "trainings and cells")
        cells = requests(found, _trained(found, runs, device, data_dir, progress), data_dir)
        shards = sweep(cells, store, progress, device, data_dir, workers, replay, executor, shard_timeout)
        plans, problems = _measured(shards, progress)
    reproduction = read(found, plans, store, network_passes(plans.values(), data_dir))
    render(reproduction, page, _command(study, dataset, scale))
    if as_json:
        print_json({**reproduction.document(), "page": str(page), "problems": problems})
    else:
        _show(reproduction, page)
    for problem in problems:
        stderr.print(f"[red bold]Failed[/] {escape(problem)}", highlight=False, soft_wrap=True)
    if problems:
        raise typer.Exit(FAILED)


def _trained(
    study: Study, folder: Path, device: str, data_dir: Path | None, progress: EvaluationProgress
) -> dict[str, Path]:
    """The weights of every training, made one after the other where they are missing."""
    from bench.loading.environment import resolve_device
    from bench.studies.trainings import finished, make_weights, place

    found = {training.name: finished(place(training, study, folder)) for training in study.trainings}
    weights = {name: path for name, path in found.items() if path is not None}
    for name in weights:
        progress.cell_done(f"trained before [bold]{escape(name)}[/]")
    missing = [training for training in study.trainings if training.name not in weights]
    for later, training in zip(reversed(range(len(missing))), missing, strict=True):
        with progress.training(training.name, later) as watch:
            where = (folder, weights, resolve_device(device), watch, data_dir)
            weights[training.name] = make_weights(training, study, *where)
    return weights


def _measured(cells: Iterable[SweptCell], progress: EvaluationProgress) -> tuple[dict[Cell, Plan], list[str]]:
    """The plans of the cells as they come, and a sentence for each that failed."""
    plans: dict[Cell, Plan] = {}
    problems = []
    for cell in cells:
        name = f"{cell.defense}, {cell.attack}"
        progress.cell_ended(name, cell.failed)
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
    from bench.analysis.notation import likelihood, signed

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
