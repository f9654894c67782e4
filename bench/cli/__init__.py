"""The command line: `bench evaluate`, `train`, `check`, `list`, `show`, `verify`, `report`."""

from __future__ import annotations

import sys

INTERRUPTED = 130  # what shells use for SIGINT


def main() -> None:
    """The console script; a person may interrupt it before it has begun."""
    try:
        from bench.cli.app import main as run

        run()
    except KeyboardInterrupt:
        sys.stderr.write("Interrupted before anything was done.\n")
        raise SystemExit(INTERRUPTED) from None


__all__ = ["INTERRUPTED", "main"]
