"""`bench status`: who is at work on a store, on which host, and how long it will take."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.progress_bar import ProgressBar

from bench.api.opening import opened, skipped
from bench.cli import options
from bench.cli.console import counted, escape, left_out, print_json, stdout, table

if TYPE_CHECKING:
    from bench.analysis.underway import Standing


def status(*, db: options.Database = options.DEFAULT_DATABASE, as_json: options.Json = False) -> None:
    """Show who is at work on a store, from any host: workers, shards, rate, time left."""
    from bench.analysis.underway import standing

    with opened(db, None, left_out) as store:
        found = standing(store)
    if as_json:
        print_json({**found.document(), **skipped(store)})
    elif not found.workers and not found.plans:
        stdout.print("Nobody is at work on this store; `bench sweep` or `bench evaluate` would be.")
    else:
        _show(found)


def _show(found: Standing) -> None:
    from bench.analysis.notation import duration

    workers = table("workers", ("name", "host", "at work on", "shards done", "last heard"))
    for worker in found.workers:
        heard = f"{duration(worker.silent)} ago"
        style = "" if worker in found.alive else "dim"
        words = (worker.name, worker.host, worker.doing, str(worker.done), heard if not style else f"{heard}, dead?")
        workers.add_row(*map(escape, words), style=style)
    plans = table("under way", ("defense", "attack", "", "shards", "at work", "an hour", "left"))
    for each in found.plans:
        plans.add_row(
            escape(each.plan.defense.name),
            escape(each.plan.attack.name),
            ProgressBar(total=each.shards, completed=each.stored, width=20),
            f"{each.stored}/{each.shards}",
            str(each.held),
            "" if each.hourly is None else f"{each.hourly:.1f}",
            "" if each.left is None else duration(each.left),
        )
    stdout.print(workers)
    if found.plans:
        stdout.print(plans)
    if found.left is not None:
        alive = counted(len(found.alive), "worker")
        stdout.print(f"About {duration(found.left)} left for {counted(len(found.plans), 'plan')} with {alive}.")
