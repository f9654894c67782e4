"""The command line: `bench evaluate`, `train`, `check`, `list`, `show`, `verify`, `report`."""

from bench.cli.app import main

__all__ = ["main"]
