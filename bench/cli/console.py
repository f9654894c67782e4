"""The two consoles: results on stdout, everything else on stderr; and how text of others reaches them."""

from __future__ import annotations

import contextlib
import errno
import io
import json
import math
import os
import sys
from collections.abc import Collection, Iterable, Iterator
from typing import Any, TextIO

import typer
from rich import markup
from rich.console import Console
from rich.table import Table

from bench.cli import FAILED, UNHEARD
from bench.domain.errors import BenchError, UsageError
from bench.domain.text import visible, without_passwords

PIPED = 100_000
"""Columns of a table that no terminal shows: rows stay whole, for whoever reads them is a program."""
STDOUT, STDERR = 1, 2


class Unwritten(BenchError):  # noqa: N818 whoever has closed a pipe wants it so
    """Stdout takes nothing more; whoever has closed it need not be told."""

    kind = "output"

    def __init__(self, error: OSError) -> None:
        super().__init__(f"Stdout cannot be written ({error.strerror}); what was measured is stored all the same.")
        self.exit_code = UNHEARD if error.errno == errno.EPIPE else FAILED


@contextlib.contextmanager
def results() -> Iterator[TextIO]:
    """Stdout for results, as a stream; raises `Unwritten` where it takes nothing more."""
    stream = _kept or sys.stdout
    try:
        yield stream
        stream.flush()
    except OSError as error:
        raise Unwritten(error) from None


class _Console(Console):
    """A console that complains where results cannot be written, and of anything else says nothing."""

    def print(self, *objects: Any, **how: Any) -> None:
        """Print as rich does."""
        with contextlib.suppress(OSError) if self.stderr else results():
            try:
                super().print(*objects, **how)
            except OSError:
                self._buffer.clear()  # rich would write it once more
                raise

    def on_broken_pipe(self) -> None:
        """Leave it to `print`."""
        raise  # rich calls this where it has caught the error


def _console(is_error: bool) -> Console:
    stream = sys.stderr if is_error else sys.stdout
    piped = not stream.isatty() and "COLUMNS" not in os.environ
    return _Console(stderr=is_error, emoji=False, width=PIPED if piped else None)


if os.environ.get("COLUMNS", "").strip("0") == "":
    os.environ.pop("COLUMNS", None)  # nothing can be shown in no columns at all
stdout = _console(is_error=False)
stderr = _Console(stderr=True, emoji=False)
_kept: TextIO | None = None
_printed = False


def tolerant() -> None:
    """Let what a terminal's encoding has no letter for be written as its number; nothing that was measured is lost for
    a letter."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            with contextlib.suppress(ValueError, OSError):
                stream.reconfigure(errors="backslashreplace")


def escape(text: str) -> str:
    """Text of others, as it stands: no markup of ours, nothing that a terminal would obey, and nobody's password."""
    return markup.escape(visible(without_passwords(text)))


def say(text: str) -> None:
    """A line of results: never wrapped, and with no colours but its own."""
    stdout.print(text, highlight=False, soft_wrap=True)


def warn(text: str) -> None:
    """A line beside the results: never wrapped, and with no colours but its own."""
    stderr.print(text, highlight=False, soft_wrap=True)


def failed(sentence: str) -> None:
    """A line for what has failed."""
    warn(f"[red bold]Failed[/] {escape(sentence)}")


def left_out(sentence: str) -> None:
    """A line for what of a store could not be read."""
    warn(f"[yellow bold]Left out[/] {escape(sentence)}")


def table(
    title: str | None, headings: Iterable[str], rows: Iterable[Iterable[Any]] = (), right: Collection[str] = ()
) -> Table:
    """A table without lines; the columns of the headings `right` hold figures."""
    found = Table(title=title, title_justify="left", header_style="dim", box=None, padding=(0, 2, 0, 0))
    for heading in headings:
        found.add_column(heading, justify="right" if heading in right else "left", overflow="fold")
    for row in rows:
        found.add_row(*row)
    return found


def agreed(question: str, done: str, do: str) -> bool:
    """Whether the person who asked wants it; `UsageError` where nobody answers, so that nothing was `done`."""
    try:
        return typer.confirm(question)
    except typer.Abort:
        raise UsageError(f"Nobody answered, and nothing was {done}; add --yes to {do} without a question.") from None


def is_debugging() -> bool:
    """Whether tracebacks are wanted: BENCH_DEBUG is set, and not to 0."""
    return os.environ.get("BENCH_DEBUG", "0") not in ("", "0")


@contextlib.contextmanager
def kept_for_json() -> Iterator[None]:
    """A scope in which stdout is there for `print_json` alone: what anybody else writes to it, be it a plugin's print,
    a library in C or another process that was started here, goes to stderr."""
    global _kept, _printed
    usual, beside = sys.stdout, None
    usual.flush()
    with contextlib.suppress(OSError, ValueError):  # a stream in memory has no descriptor
        if usual.fileno() == STDOUT:
            beside = os.dup(STDOUT)
            os.dup2(STDERR, STDOUT)
    _printed = False
    _kept = usual if beside is None else open(os.dup(beside), "w", encoding=usual.encoding, newline="\n")  # noqa: PTH123, SIM115 closed below
    sys.stdout = sys.stderr
    try:
        yield
    finally:
        sys.stdout = usual
        if beside is not None:
            with contextlib.suppress(OSError):
                _kept.close()
            os.dup2(beside, STDOUT)
            os.close(beside)
        _kept = None


def has_printed() -> bool:
    """Whether a document was printed since stdout is kept for one."""
    return _printed


def print_json(value: Any) -> None:
    """One JSON value on stdout, never wrapped or coloured; null for what is no number."""
    global _printed
    plain = _finite(value)
    text = json.dumps(plain, indent=2, ensure_ascii=False, allow_nan=False)
    _printed = True
    with results() as stream:
        try:
            text.encode(stream.encoding or "utf-8")
        except UnicodeEncodeError:
            text = json.dumps(plain, indent=2, allow_nan=False)
        stream.write(f"{text}\n")


def counted(number: int, what: str) -> str:
    """A number of things: '1 plan', '2 plans'."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def _finite(value: Any) -> Any:
    """The same data without NaN and infinities, for which JSON has no word, and which json can only refuse."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return value
