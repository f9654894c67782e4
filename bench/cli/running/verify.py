"""`bench verify`: run a stored number again."""

from __future__ import annotations

from typing import Annotated

import typer

from bench.cli import completing, options
from bench.cli.console import print_json, stderr
from bench.cli.shown import panels

DIFFERENT = 1


def verify(
    plan: Annotated[str, typer.Argument(help="A plan's digest, or its beginning.", autocompletion=completing.plans)],
    shards: Annotated[
        int | None,
        typer.Option(
            "--shards", min=1, help="Only the first so many shards.", show_default="all", rich_help_panel=options.BUDGET
        ),
    ] = None,
    device: options.Device = "auto",
    workers: options.Workers = None,
    data_dir: options.DataDir = None,
    db: options.Database = options.DEFAULT_DATABASE,
    quiet: options.Quiet = False,
    as_json: options.Json = False,
) -> None:
    """Run a stored plan again and compare, sample by sample; exit 1 if anything differs."""
    from bench.evaluation.verify import verify_plan
    from bench.loading.environment import resolve_device
    from bench.progress import EvaluationProgress
    from bench.store.store import Store

    store = Store(db, create=False)
    with EvaluationProgress(stderr, quiet=quiet or as_json) as progress:
        report = verify_plan(
            store.find(plan), store, progress, lambda: resolve_device(device), data_dir, workers, shards
        )
    if as_json:
        print_json({"plan": report.plan.digest, "samples": report.samples, "different": report.different})
    else:
        panels.show_verification(report.plan, report.samples, report.different)
    if report.different:
        raise typer.Exit(DIFFERENT)


def register(app: typer.Typer) -> None:
    """Add the verb of this module."""
    app.command()(verify)
