"""How a call ends: an exit code, one sentence on stderr, and with --json one document on stdout, whatever happened."""

from __future__ import annotations

import contextlib
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from functools import partial

import typer

from bench.cli import FAILED, INTERRUPTED, MISUSED, UNHEARD
from bench.cli.console import (
    STDOUT,
    Unwritten,
    escape,
    has_printed,
    is_debugging,
    kept_for_json,
    print_json,
    results,
    warn,
)
from bench.domain.errors import BenchError
from bench.domain.text import without_passwords

HELP = {"--help", "-h"}
LONG = 60
"""Letters of a value that are repeated to whoever gave it."""


class Interrupted(BenchError):  # noqa: N818 it is no error
    """A person has ended the call."""

    exit_code = INTERRUPTED
    kind = "interrupted"


def ended(call: Callable[[], object], words: Sequence[str]) -> int:
    """The exit code of a call with these words."""
    if HELP & {*words} or not words:
        return _ended(partial(_helping, call))
    if "--json" not in words:
        return _ended(call)
    with kept_for_json():
        return _ended(call, as_json=True)


def _helping(call: Callable[[], object]) -> object:
    """Help is written by typer, which has no word for a full stdout, and ends the program where nobody reads."""
    with results():
        try:
            return call()
        except SystemExit as end:
            if isinstance(end.__context__, BrokenPipeError):
                raise end.__context__ from None
            raise


def _ended(call: Callable[[], object], as_json: bool = False) -> int:
    try:
        code = call()
        with results():  # what it still holds back
            pass
        if code == INTERRUPTED:
            raise Interrupted("Interrupted before anything was done.")
        if as_json and code and not has_printed():
            raise BenchError(f"bench ended with exit code {code} before there was anything to print.")
        return code if isinstance(code, int) else 0
    except BenchError as error:
        _debug()
        return _told(str(error), error.kind, error.exit_code, as_json)
    except OSError as error:
        if error.filename is None:
            return _crashed(error, as_json)
        _debug()
        return _told(f"{error.filename} cannot be used ({error.strerror}).", BenchError.kind, FAILED, as_json)
    except typer.Abort:
        return _told("Nobody answered.", "interrupted", FAILED, as_json)
    except Exception as error:
        if not hasattr(error, "format_message"):
            return _crashed(error, as_json)
        return _misused(error, as_json)


def _debug() -> None:
    if is_debugging():
        warn(escape(traceback.format_exc()))


def _misused(error: Exception, as_json: bool) -> int:
    """What the parser of the command line has to say."""
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":
        if as_json:
            return _told("No verb is given.", "usage", MISUSED, as_json)
        warn(escape(error.format_message()))  # type: ignore[attr-defined]  # asked for by the caller
        return MISUSED
    sentence = " ".join(error.format_message().replace("Value error, ", "").split())  # type: ignore[attr-defined]
    given = _found(error)
    if given and given not in sentence:
        sentence = f"{sentence.rstrip('.')}; got {given}."
    if sentence[-1:] not in ".?!":
        sentence += "."
    if context is not None:
        sentence += f" See `{context.command_path} --help`."
    return _told(sentence, "usage", MISUSED, as_json)


def _found(error: Exception) -> str:
    """What was given instead of what an option takes, where the parser's checks say only what it takes."""
    checks = getattr(error.__cause__, "errors", None)
    given = checks()[0].get("input") if callable(checks) else None
    text = str(given)
    return "" if given is None else text if len(text) <= LONG else f"{text[:LONG]}..."


def _crashed(error: Exception, as_json: bool) -> int:
    """A fault of bench's own: with its traceback, for it may not come again."""
    warn(escape(traceback.format_exc()))
    said = " ".join(f"{type(error).__name__}: {error}".split()).rstrip(":")
    return _told(f"bench itself failed, and should not have ({said}).", "crash", FAILED, as_json)


def _told(sentence: str, kind: str, code: int, as_json: bool) -> int:
    """The exit code, after the sentence was said to people and to programs."""
    if code == UNHEARD:
        _let_go_of_stdout()
        return code
    mark = "" if code == INTERRUPTED else "[red bold]Error[/] "
    warn(f"{mark}{escape(sentence)}")
    if as_json and not has_printed():
        with contextlib.suppress(Unwritten):
            print_json({"error": {"kind": kind, "sentence": without_passwords(sentence), "exit_code": code}})
    elif kind == Unwritten.kind:
        _let_go_of_stdout()
    return code


def _let_go_of_stdout() -> None:
    """What could not be written is not tried again when Python ends."""
    with contextlib.suppress(OSError, ValueError):
        if sys.stdout.fileno() == STDOUT:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, STDOUT)
            os.close(nowhere)
