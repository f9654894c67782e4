"""The two consoles: results on stdout, everything else on stderr; and how text of others reaches them."""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
from typing import Any

from rich import markup
from rich.console import Console

from bench.domain.text import visible

PIPED = 400
"""Columns of a table that no terminal shows: rows stay whole, for whoever reads them is a program."""


def _console(is_error: bool) -> Console:
    stream = sys.stderr if is_error else sys.stdout
    piped = not stream.isatty() and "COLUMNS" not in os.environ
    return Console(stderr=is_error, emoji=False, width=PIPED if piped else None)


stdout = _console(is_error=False)
stderr = Console(stderr=True, emoji=False)


def tolerant() -> None:
    """Let what a terminal's encoding has no letter for be written as its number; nothing that was measured is lost for
    a letter."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            with contextlib.suppress(ValueError, OSError):
                stream.reconfigure(errors="backslashreplace")


def escape(text: str) -> str:
    """Text of others, as it stands: no markup of ours, and nothing that a terminal would obey."""
    return markup.escape(visible(text))


def is_debugging() -> bool:
    """Whether tracebacks are wanted: BENCH_DEBUG is set, and not to 0."""
    return os.environ.get("BENCH_DEBUG", "0") not in ("", "0")


def print_json(value: Any) -> None:
    """One JSON value on stdout, never wrapped or coloured."""
    print(json.dumps(value, indent=2, ensure_ascii=False))


def counted(number: int, what: str) -> str:
    """A number of things: '1 plan', '2 plans'."""
    return f"{number} {what}{'' if number == 1 else 's'}"
