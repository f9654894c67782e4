"""`bench reproduce`: a paper's experiments from nothing to a page that says what holds."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli import FAILED, completing, options
from bench.cli.console import escape, failed, print_json, say, stderr, stdout, table
from bench.cli.shown.dry_run import DryRun

if TYPE_CHECKING:
    from bench.analysis.claims.reproduction import Reproduction
    from bench.domain.plan import Plan
    from bench.evaluation.sweep import Cell as SweptCell
    from bench.progress import EvaluationProgress
    from bench.protocols.studies import Cell, Study

COLOURS = {"holds": "green", "does not hold": "red", "cannot be told": "yellow", "not measured": "dim"}


def reproduce(
    *,
    study: Annotated[
        str, options.argument("A study's name (`bench list studies`), or a .toml file of your own.", completing.studies)
    ],
    dataset: options.Dataset = options.DEFAULT_DATASET,
    scale: Annotated[
        str, options.what("--scale", "full, or a smaller one that the study names.", autocompletion=completing.scales)
    ] = "full",
    output: Annotated[
        Path | None, options.output("--output -o", "The page.", show_default="reports/STUDY-DATASET/index.html")
    ] = None,
    folder: Annotated[
        Path | None, options.where("--weights", "Where trained weights are kept.", show_default="runs/STUDY-DATASET")
    ] = None,
    running: options.Running,
    only_priced: options.OnlyPriced = False,
    told: options.Told,
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
        DryRun(running, told).of_study(found, runs)
        return
    store = Store(running.db, artifacts=running.artifacts)
    with EvaluationProgress(stderr, quiet=told.silent) as progress:
        progress.cells(len(found.trainings) + len(found.evaluated()), "trainings and cells")
        cells = requests(found, _trained(found, runs, running, progress), running.data_dir)
        swept = sweep(cells, store, progress, running.device, **running.work().means)
        plans, problems = _measured(swept, progress)
    reproduction = read(found, plans, store, network_passes(plans.values(), running.data_dir))
    render(reproduction, page, _command(study, dataset, scale))
    if told.as_json:
        print_json({**reproduction.document(), "page": str(page), "problems": problems})
    else:
        _show(reproduction, page)
    for problem in problems:
        failed(problem)
    if problems:
        raise typer.Exit(FAILED)


def _trained(study: Study, folder: Path, running: options.Running, progress: EvaluationProgress) -> dict[str, Path]:
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
            where = (folder, weights, resolve_device(running.device), watch, running.data_dir)
            weights[training.name] = make_weights(training, study, *where)
    return weights


def _measured(cells: Iterable[SweptCell], progress: EvaluationProgress) -> tuple[dict[Cell, Plan], list[str]]:
    """The plans of the cells as they come, and a sentence for each that failed."""
    plans: dict[Cell, Plan] = {}
    problems: list[str] = []
    for cell in cells:
        name = f"{cell.defense}, {cell.attack}"
        progress.cell_ended(name, cell.failed)
        problems += [f"{name}: {sentence}" for sentence in cell.troubles]
        if cell.evaluation is not None:
            plans[cell.defense, cell.attack] = cell.evaluation.plan
    return plans, problems


def _command(study: str, dataset: str, scale: str) -> str:
    words = ["bench", "reproduce", study, "--dataset", dataset]
    return shlex.join([*words, "--scale", scale] if scale != "full" else words)


def _show(reproduction: Reproduction, page: Path) -> None:
    """The verdicts as a table, and where the page is."""
    from bench.analysis.notation import likelihood, signed

    claims = table("claims", ("verdict", "claim", "points", "p"), right=("points", "p"))
    for each in reproduction.judgements:
        colour = COLOURS[each.verdict]
        figures = ("", "") if each.verdict == "not measured" else (signed(each.difference), likelihood(each.adjusted))
        claims.add_row(f"[{colour}]{each.verdict}[/]", escape(each.claim.text), *figures)
    stdout.print(claims)
    say(f"The page is {page}.")
