"""A run's rows as people read them, in the terminal and in a page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from contests.written import seconds

HEADINGS = ("contest", "ours", "peer", "equal", "seconds", "peer's", "rows", "peer's", "ratio", "range")
NUMBERS = HEADINGS[4:]
SEARCH_HEADINGS = (
    *("search", "rows an image", "of full", "CPU ms an image", "of full"),
    *("verdict of full", "otherwise", "correct"),
)
REWRITTEN_HEADINGS = (
    *("network", "rewriting", "prepared", "as it is", "rewritten", "ratio"),
    *("a logit moves", "verdicts otherwise", "decisions otherwise", "asked again", "ratio left"),
)


def cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    """A row of the table; where verdicts are not equal as demanded it has no ratio."""
    ours, peer, ratio = row["ours"], row["peer"], row["ratio"]
    told = (figure(ratio["median"]), f"{figure(ratio['low'])} to {figure(ratio['high'])}")
    return (
        *(row["name"], ours["what"], peer["what"], alike(row)),
        *(f"{figure(seconds(side))} s" for side in (ours, peer)),
        *(whole(side["work"]["rows"]) for side in (ours, peer)),
        *(told if row["holds"] else ("-", "-")),
    )


def alike(row: Mapping[str, Any]) -> str:
    """In how many samples the verdicts are equal, and how like the gradients are; marked where that is not enough."""
    found, words = row["found"], f"{row['found']['equal']} of {row['samples']}"
    if found["broken_by_ours"]:
        words += f", {found['broken_by_ours']} broken by ours alone"
    if found["cosine"] is not None:
        words += f", cosine {found['cosine']:.4f}, difference {found['difference']:.0e}"
    return words if row["holds"] else f"NOT EQUAL: {words}"


def figure(value: float) -> str:
    """Three digits that count."""
    return f"{value:.0f}" if value >= 100 else f"{value:#.3g}".rstrip(".")


def whole(rows: int) -> str:
    """A count with its thousands set apart."""
    return f"{rows:,}".replace(",", "\u202f")


def search_cells(row: Mapping[str, Any], race: Mapping[str, Any]) -> tuple[str, ...]:
    """A search's row of a race's table: what it costs beside the full grid, and how often its verdict is the grid's."""
    full, count = race["searches"][0], race["samples"]
    low, high = (f"{100 * share:.2f}" for share in row["interval"])
    return (
        *(row["name"], f"{row['rows']:.1f}", percent(row["rows"] / full["rows"])),
        *(f"{1000 * row['seconds']:.1f}", percent(row["seconds"] / full["seconds"])),
        *(f"{count - row['otherwise']} of {count}", f"{low} to {high} %", percent(row["correct"] / count)),
    )


def percent(share: float) -> str:
    """A share as people write it."""
    return f"{100 * share:.1f} %"


def rewritten_cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    """A row of the table of rewritten networks; `ratio left` has every doubtful decision asked about again."""
    ratio = row["plain"] / row["rewritten"]
    return (
        *(row["network"], row["rewriting"], f"{row['prepared']:.1f} s"),
        *(f"{1000 * row[name]:.1f} ms" for name in ("plain", "rewritten")),
        *(figure(ratio), percent(row["moved"]), f"{row['verdicts']} of {row['images']}"),
        *(percent(row["decisions"]), percent(row["again"]), figure(1 / (1 / ratio + row["again"]))),
    )
