"""What can be written as a file for other programs, and how."""

from __future__ import annotations

from enum import StrEnum

from bench.domain.errors import UsageError


class What(StrEnum):
    """What can be written: a row a plan, a row a sample, or the tables of the page."""

    RESULTS = "results"
    OUTCOMES = "outcomes"
    LEADERBOARD = "leaderboard"


class Format(StrEnum):
    """How it is written."""

    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"
    LATEX = "latex"
    MARKDOWN = "markdown"


ENDINGS = {
    **{".csv": Format.CSV, ".json": Format.JSON, ".parquet": Format.PARQUET},
    **{".tex": Format.LATEX, ".md": Format.MARKDOWN},
}
PROSE = (Format.LATEX, Format.MARKDOWN)


def format_of(name: str) -> Format:
    """The format that a file's ending stands for; `UsageError` for one that stands for none."""
    for ending, found in ENDINGS.items():
        if name.lower().endswith(ending):
            return found
    raise UsageError(f"The ending of {name!r} says no format; end it in {', '.join(ENDINGS)}, or say --format.")
