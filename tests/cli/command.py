"""Runs the command line in this process."""

from __future__ import annotations

from typer.testing import CliRunner

from bench.cli.app import build


def bench(*words: str) -> tuple[int, str, str]:
    """The exit code, stdout and stderr of `bench` with these words."""
    result = CliRunner().invoke(build(), list(words))
    return result.exit_code, result.stdout, result.stderr
