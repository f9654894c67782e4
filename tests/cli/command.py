"""Runs the command line in this process."""

from __future__ import annotations

from functools import cache
from typing import Any
from unittest.mock import patch

import typer.testing
from typer.testing import CliRunner

from bench.cli.app import build


@cache
def _command(app: Any) -> Any:
    """The command, made once: that takes as long as many a call."""
    return typer.main.get_command(app)


def bench(*words: str) -> tuple[int, str, str]:
    """The exit code, stdout and stderr of `bench` with these words."""
    with patch.object(typer.testing, "_get_command", _command):
        result = CliRunner().invoke(build(), list(words))
    return result.exit_code, result.stdout, result.stderr
