"""Results as a file that is kept, and what is read back from it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

from contests.running import Lap, Result

FORMAT = 1


def document(results: Sequence[Result], facts: dict[str, Any], note: str) -> dict[str, Any]:
    """Plain data of a run: the machine, and a row a contest. `note` says what a reader must know first, if anything."""
    return {"format": FORMAT, "note": note, "machine": facts, "contests": [_row(result) for result in results]}


def write(path: Path, found: dict[str, Any]) -> None:
    """Keep a run's data. Raises `OSError` where that is impossible."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found, indent=1) + "\n", "utf-8")


def read(path: Path) -> dict[str, Any]:
    """What `write` kept. Raises `ValueError` for another format."""
    found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    if found.get("format") != FORMAT:
        raise ValueError(f"{path.name} has the format {found.get('format')!r}; {FORMAT} is understood. Run it again.")
    return found


def _row(result: Result) -> dict[str, Any]:
    contest, demand = result.contest, result.contest.demand
    return {
        "name": contest.name,
        "ours": _side(contest.ours, result.ours),
        "peer": _side(contest.peer, result.peer),
        "samples": result.samples,
        "demand": asdict(demand),
        "found": asdict(result.likeness),
        "holds": result.holds,
        "ratio": asdict(result.ratio),
    }


def _side(told: str, laps: Sequence[Lap]) -> dict[str, Any]:
    """One side: the seconds of every round, by the clock and of CPU, and the work, which is the same in all of them."""
    return {
        "what": told,
        "seconds": [round(lap.seconds, 4) for lap in laps],
        "cpu": [round(lap.cpu, 2) for lap in laps],
        "work": asdict(laps[-1].work),
    }


def seconds(side: dict[str, Any]) -> float:
    """The median of a side's rounds."""
    return float(median(side["seconds"]))
