"""`bench show` and `bench report`: what a plan found, and the page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from bench.api.opening import opened, skipped
from bench.cli import options
from bench.cli.console import escape, left_out, print_json, stdout
from bench.cli.shown import crafted, panels, watching
from bench.domain.errors import UsageError


def show(
    *,
    plan: options.Plan,
    db: options.Database = options.DEFAULT_DATABASE,
    as_json: options.Json = False,
) -> None:
    """Show a plan: what it fixes, what it found, what it cost."""
    from bench.analysis.results.summary import read

    with opened(db, None, left_out) as store:
        found = store.find(plan)
        result = read(store, found)
    if as_json:
        print_json({**result.document(), "document": found.document(), "environments": list(result.environments)})
        return
    panels.show_plan(found)
    panels.show_figures(result)


def report(
    *,
    output: Annotated[Path, options.output("--output -o", "The page to write.")] = Path("reports/index.html"),
    protocols: Annotated[
        list[Path] | None, options.what("--protocol -p", "A .toml protocol of your own, beside the built-in ones.")
    ] = None,
    published: Annotated[
        list[str] | None,
        options.defense("--published", "A defense of `bench list models`, whose published figures stand below."),
    ] = None,
    pictures: Annotated[
        bool, options.output("--pictures/--no-pictures", "Draw curves, tables of classes and the hardest samples.")
    ] = True,
    data_dir: options.DataDir = None,
    tags: options.OnlyTagged = None,
    watch: Annotated[bool, options.how("--watch", "Draw the page anew as shards land, until Ctrl-C.")] = False,
    until_idle: Annotated[
        float | None,
        options.how(
            "--until-idle",
            "Stop watching when none has landed for so long.",
            metavar="SECONDS",
            min=0,
            show_default="never",
        ),
    ] = None,
    db: options.Database = options.DEFAULT_DATABASE,
    artifacts: options.Artifacts = None,
    told: options.Told,
) -> None:
    """Render the leaderboards as one self-contained HTML page."""
    from bench.api.report import drawing

    if until_idle is not None and not watch:
        raise UsageError("--until-idle says when to stop watching; add --watch.")
    with opened(db, artifacts, left_out) as store:
        draw = drawing(store, output, protocols or (), published or (), pictures, data_dir, tags or ())
        if watch:
            watching.watch(store, draw, until_idle, quiet=told.silent)
        else:
            draw(None)
        crafted.tell_missed(store)
    if told.as_json:
        print_json({"page": str(output), **skipped(store)})
    else:
        stdout.print(f"The page is at {escape(str(output))}; open it in a browser.", soft_wrap=True)
