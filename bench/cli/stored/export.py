"""`bench export`: results, outcomes and leaderboards as files for other programs."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

from bench.api.opening import opened
from bench.cli import completing, options
from bench.cli.console import counted, escape, left_out, results, say, stderr
from bench.domain.errors import UsageError
from bench.pages.export.file_types import PROSE, Format, What, format_of

STDOUT = "-"


def export(
    *,
    file: Annotated[str, options.argument("The file to write; '-' is stdout.")],
    form: Annotated[
        Format | None, options.output("--format -f", "The format; csv on stdout.", show_default="what the ending says")
    ] = None,
    what: Annotated[
        What | None,
        options.what(
            "--what -w",
            "A row a plan, a row a sample, or the page's tables.",
            show_default="results; of latex and markdown leaderboards",
        ),
    ] = None,
    protocol: Annotated[
        str | None,
        options.protocol(
            "--protocol -p", "Only what this protocol covers: a name, or a .toml file.", show_default="every one"
        ),
    ] = None,
    dataset: Annotated[
        str | None,
        options.what(
            "--dataset -d",
            "Only what is of this data set.",
            show_default="every one",
            autocompletion=completing.datasets,
        ),
    ] = None,
    tags: options.OnlyTagged = None,
    db: options.Database = options.DEFAULT_DATABASE,
    quiet: options.Quiet = False,
) -> None:
    """Write results (the default), outcomes or leaderboards (the default for LaTeX and Markdown) as a file."""
    from bench.pages.export.writing import export as write
    from bench.pages.whole_files import replacing
    from bench.progress import training_progress

    on_stdout = file == STDOUT
    chosen = form or (Format.CSV if on_stdout else format_of(file))
    wanted = what or (What.LEADERBOARD if chosen in PROSE else What.RESULTS)
    if on_stdout and chosen is Format.PARQUET:
        raise UsageError("Parquet is no text, and is not written to stdout; name a file.")
    with opened(db, None, left_out) as store:
        if store.path is not None and Path(file).resolve() == store.path.resolve():
            raise UsageError(f"{file} is the store itself; name another file.")
        write_to = partial(write, store, what=wanted, form=chosen, protocol=protocol, dataset=dataset, tags=tags or ())
        with training_progress(stderr, f"[bold]{wanted}[/]", quiet) as watch:
            if on_stdout:
                with results() as stream:
                    write_to(stream.buffer, watch=watch)
                return
            with replacing(Path(file)) as sink:
                rows = write_to(sink, watch=watch)
    say(f"{escape(file)} holds {counted(rows, 'row')} ({wanted}).")
