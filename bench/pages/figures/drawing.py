"""What the pictures share: what a finished one is, how defenses are named in it, and which results it may show."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.analysis.notation import budget
from bench.analysis.specs import differences
from bench.pages.figures.sheet.svg import plain

if TYPE_CHECKING:
    from bench.analysis.boards.leaderboards import Leaderboard
    from bench.analysis.boards.rows import Row
    from bench.analysis.results.entries import Entry
    from bench.analysis.results.summary import Result
    from bench.domain.outcomes import Outcomes
    from bench.domain.plan import Plan, Spec
    from bench.store.store import Store

Reader = Callable[["Plan"], "Outcomes"]


@dataclass(frozen=True)
class Drawing:
    """A picture of one or several panels (SVG text), its heading, and the sentences below it."""

    heading: str
    caption: str
    panels: tuple[str, ...]


def reader(store: Store, entries: Iterable[Entry] = ()) -> Reader:
    """Reads plans' outcomes, each plan's once, and none that `entries` hold."""
    kept = {entry.plan.digest: entry.outcomes for entry in entries}

    def read(plan: Plan) -> Outcomes:
        if plan.digest not in kept:
            kept[plan.digest] = store.table(plan)
        return kept[plan.digest]

    return read


def usable(result: Result | None) -> bool:
    """Whether a result is there and counts; no other is drawn."""
    return result is not None and result.counts


def called(spec: Spec, others: Sequence[Spec]) -> str:
    """A plugin's name, with the settings in which it differs from its namesakes, or else its weights."""
    settings = differences(spec, others, weights=False)
    return plain(" ".join([spec.name, *(settings or differences(spec, others))]))


def named_rows(board: Leaderboard) -> list[tuple[str, Row]]:
    """The rows with what their defenses are called, in the board's order."""
    defenses = [row.defense for row in board.rows]
    return [(called(row.defense, defenses), row) for row in board.rows]


def results_at(board: Leaderboard, at: int) -> list[tuple[str, Result]]:
    """A column's usable results with what their rows' defenses are called, in the board's order."""
    found = [(label, row.results[at]) for label, row in named_rows(board)]
    return [(label, result) for label, result in found if result is not None and usable(result)]


def columns(board: Leaderboard) -> tuple[tuple[str, str], ...]:
    """What each column's attack is called, and its budget where the attack has several on this board."""
    attacks = [column.attack for column in board.columns]
    found = [(called(column.attack, attacks), budget(column.threat)) for column in board.columns]
    distinct = {name: {other for known, other in found if known == name} for name, _ in found}
    return tuple((name, note if len(distinct[name]) > 1 else "") for name, note in found)


def column_names(board: Leaderboard) -> list[str]:
    """The same, each in one line."""
    return [" ".join(filter(None, column)) for column in columns(board)]


def picture(heading: str, caption: str, panels: Sequence[str]) -> Drawing | None:
    """The picture of these panels; None where there are none."""
    return Drawing(heading, caption, tuple(panels)) if panels else None


def limited(shown: int, there: int, things: str = "defenses") -> str:
    """A sentence that says so where not all of them are drawn; else nothing."""
    return f" The first {shown} of {there} {things} are drawn." if shown < there else ""


def percent(share: float) -> str:
    """A share as people write it."""
    return f"{100 * share:.1f} %"
