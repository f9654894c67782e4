"""`bench export`: results, outcomes and leaderboards as files for other programs."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from bench.cli import completing, options
from bench.cli.console import counted, escape, results, stderr, stdout
from bench.cli.shown.opened import opened
from bench.domain.errors import UsageError
from bench.pages.export.file_types import PROSE, Format, What, format_of

STDOUT = "-"


def write(
    file: Annotated[str, typer.Argument(help="The file to write; '-' is stdout.")],
    form: Annotated[
        Format | None,
        typer.Option(
            "--format",
            "-f",
            help="The format; csv on stdout.",
            show_default="what the ending says",
            rich_help_panel=options.OUTPUT,
        ),
    ] = None,
    what: Annotated[
        What | None,
        typer.Option(
            "--what",
            "-w",
            help="A row a plan, a row a sample, or the page's tables.",
            show_default="results; of latex and markdown leaderboards",
            rich_help_panel=options.WHAT,
        ),
    ] = None,
    protocol: Annotated[
        str | None,
        typer.Option(
            "--protocol",
            "-p",
            help="Only what this protocol covers: a name, or a .toml file.",
            show_default="every one",
            rich_help_panel=options.WHAT,
            autocompletion=completing.protocols,
        ),
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option(
            "--dataset",
            "-d",
            help="Only what is of this data set.",
            show_default="every one",
            rich_help_panel=options.WHAT,
            autocompletion=completing.datasets,
        ),
    ] = None,
    tags: options.OnlyTagged = None,
    db: options.Database = options.DEFAULT_DATABASE,
    quiet: options.Quiet = False,
) -> None:
    """Write results (the default), outcomes or leaderboards (the default for LaTeX and Markdown) as a file."""
    from bench.pages.export.writing import export
    from bench.pages.whole_files import replacing
    from bench.progress import training_progress

    on_stdout = file == STDOUT
    chosen = form or (Format.CSV if on_stdout else format_of(file))
    wanted = what or (What.LEADERBOARD if chosen in PROSE else What.RESULTS)
    if on_stdout and chosen is Format.PARQUET:
        raise UsageError("Parquet is no text, and is not written to stdout; name a file.")
    with opened(db) as store:
        if store.path is not None and Path(file).resolve() == store.path.resolve():
            raise UsageError(f"{file} is the store itself; name another file.")
        write_to = partial(export, store, what=wanted, form=chosen, protocol=protocol, dataset=dataset, tags=tags or ())
        with training_progress(stderr, f"[bold]{wanted}[/]", quiet) as watch:
            if on_stdout:
                with results() as stream:
                    write_to(stream.buffer, watch=watch)
                return
            with replacing(Path(file)) as sink:
                rows = write_to(sink, watch=watch)
    stdout.print(f"{escape(file)} holds {counted(rows, 'row')} ({wanted}).", highlight=False, soft_wrap=True)


def register(app: typer.Typer) -> None:
    """Add the verb of this module."""
    app.command("export")(write)
