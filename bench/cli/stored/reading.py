"""`bench show` and `bench report`: what a plan found, and the page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.cli import completing, options
from bench.cli.console import escape, print_json, stdout
from bench.cli.shown import crafted, panels, watching
from bench.cli.shown.opened import opened, skipped
from bench.domain.errors import UsageError


def show(
    plan: Annotated[
        str,
        typer.Argument(
            help="A plan's digest, or its beginning; `bench list plans` shows them.", autocompletion=completing.plans
        ),
    ],
    db: options.Database = options.DEFAULT_DATABASE,
    as_json: options.Json = False,
) -> None:
    """Show a plan: what it fixes, what it found, what it cost."""
    from bench.analysis.results.summary import read

    with opened(db) as store:
        found = store.find(plan)
        result = read(store, found)
    if as_json:
        print_json({**result.document(), "document": found.document(), "environments": list(result.environments)})
        return
    panels.show_plan(found)
    panels.show_figures(result)


def report(
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The page to write.", rich_help_panel=options.OUTPUT)
    ] = Path("reports/index.html"),
    protocols: Annotated[
        list[Path] | None,
        typer.Option(
            "--protocol",
            "-p",
            help="A .toml protocol of your own, beside the built-in ones.",
            rich_help_panel=options.WHAT,
        ),
    ] = None,
    published: Annotated[
        list[str] | None,
        typer.Option(
            "--published",
            help="A defense of `bench list models`, whose published figures stand below.",
            rich_help_panel=options.WHAT,
            autocompletion=completing.defenses,
        ),
    ] = None,
    pictures: Annotated[
        bool,
        typer.Option(help="Draw curves, tables of classes and the hardest samples.", rich_help_panel=options.OUTPUT),
    ] = True,
    data_dir: options.DataDir = None,
    tags: options.OnlyTagged = None,
    watch: Annotated[
        bool,
        typer.Option("--watch", help="Draw the page anew as shards land, until Ctrl-C.", rich_help_panel=options.HOW),
    ] = False,
    until_idle: Annotated[
        float | None,
        typer.Option(
            "--until-idle",
            metavar="SECONDS",
            min=0,
            help="Stop watching when none has landed for so long.",
            show_default="never",
            rich_help_panel=options.HOW,
        ),
    ] = None,
    db: options.Database = options.DEFAULT_DATABASE,
    artifacts: options.Artifacts = None,
    quiet: options.Quiet = False,
    as_json: options.Json = False,
) -> None:
    """Render the leaderboards as one self-contained HTML page."""
    from bench.api.report import drawing

    if until_idle is not None and not watch:
        raise UsageError("--until-idle says when to stop watching; add --watch.")
    with opened(db, artifacts) as store:
        draw = drawing(store, output, protocols or (), published or (), pictures, data_dir, tags or ())
        if watch:
            watching.watch(store, draw, until_idle, quiet=quiet or as_json)
        else:
            draw(None)
        crafted.tell_missed(store)
    if as_json:
        print_json({"page": str(output), **skipped(store)})
    else:
        stdout.print(f"The page is at {escape(str(output))}; open it in a browser.", soft_wrap=True)


def register(app: typer.Typer) -> None:
    """Add the verbs of this module."""
    app.command()(show)
    app.command()(report)
