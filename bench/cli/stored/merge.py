"""`bench merge`: other people's results into one store."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli import options
from bench.cli.console import counted, escape, print_json, stderr, stdout

if TYPE_CHECKING:
    from bench.store.others.merged import Merged


def merge(
    others: Annotated[
        list[str], typer.Argument(metavar="OTHER.DB...", help="Stores to merge from; they are not changed.")
    ],
    data_dir: options.DataDir = None,
    db: options.Database = options.DEFAULT_DATABASE,
    artifacts: options.Artifacts = None,
    claimed: Annotated[
        bool,
        typer.Option(
            "--claimed",
            help="Take what cannot be checked as well, marked as claimed by its store.",
            rich_help_panel=options.HOW,
        ),
    ] = False,
    quiet: options.Quiet = False,
    as_json: options.Json = False,
) -> None:
    """Judge again what other stores hold and copy it where this one lacks it; compare what both hold.

    Labels, predictions, distances and admissibility are checked against the data set and the crafted images; what
    contradicts them is refused. What was stored first is kept, and how another store differs is kept beside it.
    """
    from bench.evaluation.rejudge import Rejudge
    from bench.progress import training_progress
    from bench.store.others.lend import lend
    from bench.store.others.merge import merge as run
    from bench.store.store import Store

    found = []
    with ExitStack() as stack:
        lent = [stack.enter_context(lend(other)) for other in others]  # all of them, before anything is written
        store, examine = Store(db, artifacts=artifacts), Rejudge(data_dir)
        for other in lent:
            with training_progress(stderr, f"[bold]{escape(other.location)}[/]", quiet=quiet or as_json) as watch:
                found.append(run(store, other, examine, watch, claimed=claimed))
            if not as_json:
                _show(found[-1])
    if as_json:
        print_json({"db": store.location, "merged": [merged.document() for merged in found]})
    else:
        stdout.print(f"[dim]next:[/] {escape(store.hint('report').strip('`'))}", soft_wrap=True)
    if not all(merged.agrees for merged in found):
        raise typer.Exit(1)


def register(app: typer.Typer) -> None:
    """Add the verb of this module."""
    app.command()(merge)


def _show(merged: Merged) -> None:
    stdout.print(
        f"[bold]{escape(merged.location)}[/] holds {counted(merged.plans, 'plan')}, {merged.new_plans} of them new: "
        f"{counted(merged.copied, 'shard')} copied, {merged.equal} were here already and equal, "
        f"{counted(merged.images, 'file')} of crafted images copied.",
        highlight=False,
        soft_wrap=True,
    )
    if merged.claimed:
        stdout.print(
            f"[yellow bold]Claimed[/] {counted(merged.claimed, 'shard')} could not be checked; what they say is marked "
            f"as claimed wherever it is shown.",
            highlight=False,
            soft_wrap=True,
        )
    if merged.missing:
        stdout.print(
            f"[yellow bold]Missing[/] {counted(merged.missing, 'file')} of crafted images are sound in neither store; "
            f"`bench evaluate` or `bench sweep` with --images crafts them again.",
            highlight=False,
            soft_wrap=True,
        )
    for difference in merged.differences:
        stdout.print(f"[red bold]Different[/] {escape(str(difference))}", highlight=False, soft_wrap=True)
    for refusal in merged.refused:
        stdout.print(f"[red bold]Refused[/] {escape(str(refusal))}", highlight=False, soft_wrap=True)
