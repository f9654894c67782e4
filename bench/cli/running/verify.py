"""`bench verify`: run a stored number again."""

from __future__ import annotations

from typing import Annotated

import typer

from bench.cli import FAILED, completing, options
from bench.cli.console import print_json, stderr, stdout


def verify(
    *,
    plan: Annotated[str, options.argument("A plan's digest, or its beginning.", completing.plans)],
    shards: Annotated[
        int | None, options.budget("--shards", "Only the first so many shards.", min=1, show_default="all")
    ] = None,
    device: options.Device = "auto",
    workers: options.Workers = None,
    data_dir: options.DataDir = None,
    db: options.Database = options.DEFAULT_DATABASE,
    told: options.Told,
) -> None:
    """Run a stored plan again and compare, sample by sample; exit 1 if anything differs."""
    from bench.evaluation.verify import verify_plan
    from bench.loading.environment import resolve_device
    from bench.progress import EvaluationProgress
    from bench.store.store import Store

    store = Store(db, create=False)
    with EvaluationProgress(stderr, told.silent) as progress:
        where = (store, progress, lambda: resolve_device(device))
        report = verify_plan(store.find(plan), *where, shards, data_dir=data_dir, workers=workers)
    if told.as_json:
        print_json({"plan": report.plan.digest, "samples": report.samples, "different": report.different})
    elif report.different:
        few = ", ".join(map(str, report.different[:10])) + (", ..." if len(report.different) > 10 else "")
        count = f"{len(report.different)} of {report.samples}"
        stdout.print(f"[red bold]Different[/] {count} samples came out otherwise: {few}.")
    else:
        whole = f"All {report.samples} samples of plan {report.plan.digest[:12]}"
        stdout.print(f"[green bold]Equal[/] {whole} came out as stored.")
    if report.different:
        raise typer.Exit(FAILED)
