"""What a plain table is: headings, and rows of ranks, figures, texts and numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from bench.analysis.results.seeds import Spread
    from bench.stats import Proportion


@dataclass(frozen=True)
class Rank:
    """A place; `tied` where other rows have the same one."""

    place: int
    tied: bool

    def __str__(self) -> str:
        return f"{self.place}{'=' if self.tied else ''}"


@dataclass(frozen=True)
class Figure:
    """A share with what goes with it; `state` says what is wrong with one that is not to be ranked.

    `samples` is how many there are to be, `plan` the digest of the plan behind it, empty where there are several.
    """

    share: Proportion
    samples: int
    state: Literal["", "partial", "invalid"] = ""
    plan: str = ""
    spread: Spread | None = None


Cell = Rank | Figure | str | int | float | None


@dataclass(frozen=True)
class Heading:
    """What a column holds.

    `key` names it once in its table. `aside` ones stand in data files only, for a page shows them below a name.
    `attack` is the number of the leaderboard's column that it shows, if it shows one.
    """

    key: str
    title: str
    detail: str = ""
    kind: Literal["rank", "text", "figure", "number"] = "figure"
    aside: bool = False
    attack: int | None = None


@dataclass(frozen=True)
class Table:
    """Headings and rows of as many cells; `name` is for files, `caption` says what the figures are of."""

    name: str
    caption: str
    headings: tuple[Heading, ...]
    rows: tuple[tuple[Cell, ...], ...]
