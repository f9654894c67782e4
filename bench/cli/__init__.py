"""The command line: `bench evaluate`, `train`, `list`, `show`, `verify`, `report`."""

from bench.cli.app import main

__all__ = ["main"]
