"""`bench upgrade`: an older bench's store for today's."""

from __future__ import annotations

from bench.cli import options
from bench.cli.console import escape, print_json, say


def upgrade(*, db: options.Database = options.DEFAULT_DATABASE, as_json: options.Json = False) -> None:
    """Bring the store of an older bench up to date; a file is copied first, beside itself.

    Only this verb changes a schema. Those that read open older stores as they are; those that write say to run it.
    """
    from bench.store.database.upgrade import upgrade as run

    done = run(db)
    if as_json:
        backup = None if done.backup is None else str(done.backup)
        print_json({"db": done.location, "before": done.before, "after": done.after, "backup": backup})
        return
    if done.before == done.after:
        text = f"[bold]{escape(done.location)}[/] has the newest schema ({done.after}); nothing was to be done."
    else:
        text = f"[bold]{escape(done.location)}[/] was brought from schema {done.before} to {done.after}."
        if done.backup is not None:
            text += f" What it was is kept in {escape(str(done.backup))}."
    say(text)
