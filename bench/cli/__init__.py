"""The command line: `bench evaluate`, `train`, `check`, `list`, `show`, `verify`, `report`."""

from __future__ import annotations

import sys

FAILED, MISUSED, UNMET = 1, 2, 3
"""Exit codes: what is missing, different or broken; a request that cannot be carried out; a number that falls short."""
INTERRUPTED, UNHEARD = 130, 141
"""What shells use for SIGINT and SIGPIPE."""


def main() -> None:
    """The console script; a person may interrupt it before it has begun."""
    try:
        from bench.cli.app import main as run

        run()
    except KeyboardInterrupt:
        sys.stderr.write("Interrupted before anything was done.\n")
        raise SystemExit(INTERRUPTED) from None


__all__ = ["FAILED", "INTERRUPTED", "MISUSED", "UNHEARD", "UNMET", "main"]
