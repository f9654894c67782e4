"""`bench merge`: other people's results into one store."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli import FAILED, options
from bench.cli.console import counted, escape, print_json, say, stderr, stdout

if TYPE_CHECKING:
    from bench.store.others.merged import Merged


def merge(
    *,
    others: Annotated[
        list[str], options.argument("Stores to merge from; they are not changed.", metavar="OTHER.DB...")
    ],
    data_dir: options.DataDir = None,
    db: options.Database = options.DEFAULT_DATABASE,
    artifacts: options.Artifacts = None,
    claimed: Annotated[
        bool, options.how("--claimed", "Take what cannot be checked as well, marked as claimed by its store.")
    ] = False,
    told: options.Told,
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
            with training_progress(stderr, f"[bold]{escape(other.location)}[/]", told.silent) as watch:
                found.append(run(store, other, examine, watch, claimed=claimed))
            if not told.as_json:
                _show(found[-1])
    if told.as_json:
        print_json({"db": store.location, "merged": [merged.document() for merged in found]})
    else:
        stdout.print(f"[dim]next:[/] {escape(store.hint('report').strip('`'))}", soft_wrap=True)
    if not all(merged.agrees for merged in found):
        raise typer.Exit(FAILED)


def _show(merged: Merged) -> None:
    say(
        f"[bold]{escape(merged.location)}[/] holds {counted(merged.plans, 'plan')}, {merged.new_plans} of them new: "
        f"{counted(merged.copied, 'shard')} copied, {merged.equal} were here already and equal, "
        f"{counted(merged.images, 'file')} of crafted images copied."
    )
    if merged.claimed:
        say(
            f"[yellow bold]Claimed[/] {counted(merged.claimed, 'shard')} could not be checked; what they say is marked "
            f"as claimed wherever it is shown."
        )
    if merged.missing:
        say(
            f"[yellow bold]Missing[/] {counted(merged.missing, 'file')} of crafted images are sound in neither store; "
            f"`bench evaluate` or `bench sweep` with --images crafts them again."
        )
    for difference in merged.differences:
        say(f"[red bold]Different[/] {escape(str(difference))}")
    for refusal in merged.refused:
        say(f"[red bold]Refused[/] {escape(str(refusal))}")
