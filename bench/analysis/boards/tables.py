"""A leaderboard as a plain table: its title, headings and cells, before anything is written as HTML, CSV or LaTeX."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

from bench.analysis.boards.leaderboards import Leaderboard
from bench.analysis.boards.plugins import about_defense
from bench.analysis.boards.rows import Row
from bench.analysis.boards.table import Cell, Figure, Heading, Rank, Table
from bench.analysis.boards.tagging import tags_of
from bench.analysis.evidence.assurance import Assurance
from bench.analysis.notation import budget
from bench.analysis.results.summary import Result
from bench.analysis.specs import Column, differences

FIRST = (
    Heading("rank", "#", "by worst case", "rank"),
    Heading("defense", "Defense", kind="text"),
    Heading("setting", "Setting", kind="text", aside=True),
    Heading("family", "Family", kind="text", aside=True),
)
TAGS = Heading("tags", "Tags", kind="text", aside=True)
"""Only where a row has any."""
LAST = (
    Heading("forward", "Forward", "passes a sample", "number"),
    Heading("backward", "Backward", "passes a sample", "number"),
    Heading("seconds", "Time", "all attacks", "number"),
    Heading("memory", "Memory", "at most", "number"),
    Heading("assurance", "Assurance", "the evidence", "text"),
    Heading("seeds", "Seeds", kind="number"),
)


DISTINCTIONS = {
    "draws": "draws: {}",
    "shard_size": "samples a shard: {}",
    "sampling": "samples: {}",
    "sample_seed": "sample seed: {}",
    "seed": "seed: {}",
    "harness": "harness: {}",
}
"""The settings of a plan that no title tells, and the words for them."""


def title(board: Leaderboard) -> str:
    """What a leaderboard is called: its data set, and its protocol or what its settings amount to."""
    if board.protocol:
        return f"{board.example.dataset.name} · {board.protocol.name}"
    if not board.columns:
        return f"{board.example.dataset.name} · {board.example.samples} samples, clean images"
    kind = "adaptive attacks" if board.is_adaptive else "white box"
    images = f"images from {board.source.name}" if board.source else kind
    images += ", shared noise" * board.example.fixed_noise
    images += "" if board.example.passes is None else f", at most {board.example.passes} passes a sample"
    return f"{board.example.dataset.name} · {board.example.samples} samples, {images}"


def titles(boards: Sequence[Leaderboard]) -> list[str]:
    """What leaderboards are called beside each other: those of one title also by the settings in which they differ."""
    named = [title(board) for board in boards]
    found = []
    for board, name in zip(boards, named, strict=True):
        namesakes = [other.example for other, same in zip(boards, named, strict=True) if same == name]
        differing = (
            words.format(getattr(board.example, setting))
            for setting, words in DISTINCTIONS.items()
            if len({getattr(example, setting) for example in namesakes}) > 1
        )
        more = ", ".join(differing)
        found.append(f"{name} ({more})" if more else name)
    return found


def tabulate(board: Leaderboard, name: str = "") -> Table:
    """The table of a leaderboard in its order, called by its title where no other name is given."""
    radii = certified_radii(board)
    count = len(board.counted) or len(board.columns)
    has_tags = any(tags_of(row.everything) for row in board.rows)
    headings = (
        *FIRST,
        *([TAGS] if has_tags else []),
        Heading("worst", "Worst case", f"of clean and {count} attack{'s' if count != 1 else ''}"),
        Heading("clean", "Clean", "no attack"),
        *(
            Heading(
                key,
                column.attack.name,
                ", ".join((budget(column.threat), *_setting(column, board.columns))),
                attack=place,
            )
            for place, (key, column) in enumerate(zip(column_keys(board), board.columns, strict=True))
        ),
        *(Heading(f"certified {radius:g}", "Certified", f"radius ≥ {radius:g}") for radius in radii),
        *LAST,
    )
    ranks = Counter(row.rank for row in board.rows)
    rows = tuple(tuple(_cells(row, board, ranks, radii, has_tags)) for row in board.rows)
    return Table(name or slug(title(board)), f"{title(board)}: {caption(board)}", headings, rows)


def slug(text: str) -> str:
    """A text as a name for files and links: small letters, digits and single hyphens."""
    return re.sub("[^a-z0-9]+", "-", text.lower()).strip("-")[:80] or "unnamed"


def caption(board: Leaderboard) -> str:
    """What every figure of a leaderboard is of."""
    plan = board.example
    drawn = f"sample seed {plan.sample_seed}" if plan.sampling == "random" else "the first ones"
    images = f"images crafted on {board.source.name}" if board.source else "white box"
    if not board.columns:
        images = "the images as they are"
    return (
        f"percent of {plan.samples} samples ({drawn}) classified correctly, with 95 % intervals; {images}, "
        f"attack seed {plan.seed}, {plan.draws} draw{'s' if plan.draws != 1 else ''} a sample"
        f"{' under noise that the attack knows' if plan.fixed_noise else ''}; worst case: of the "
        f"clean image and {worst_of(board)}, sample by sample."
    )


def worst_of(board: Leaderboard) -> str:
    """Which attacks a worst case is over, in words."""
    if not board.aside:
        return "every attack"
    named = zip(board.columns, column_keys(board), strict=True)
    counted = board.counted
    return f"{' and '.join(key for column, key in named if column in counted)}, which most rows have"


def column_keys(board: Leaderboard) -> tuple[str, ...]:
    """A short name a column, no two alike: the attack's, with budget and settings where there are several."""
    names = Counter(column.attack.name for column in board.columns)
    threats = Counter((column.attack.name, str(column.threat)) for column in board.columns)
    keys: list[str] = []
    for column in board.columns:
        name, threat = column.attack.name, str(column.threat)
        alone = threats[name, threat] == names[name]
        key = " ".join((name, *([] if alone else [threat]), *_setting(column, board.columns)))
        keys.append(key if key not in keys else f"{key} ({len(keys) + 1})")
    return tuple(keys)


def certified_radii(board: Leaderboard) -> tuple[float, ...]:
    """The radii at which any row has a certified sample, in their order."""
    found = (
        radius for row in board.rows for result in row.found for radius, share in result.certified.items() if share.rate
    )
    return tuple(sorted(set(found)))


def certified(row: Row, radius: float) -> Figure | None:
    """A row's certified accuracy at a radius, of its first result that has one."""
    for result in row.found:
        if radius in result.certified:
            return Figure(result.certified[radius], result.plan.samples, _state(result), result.plan.digest)
    return None


def assurances(row: Row) -> tuple[Assurance, ...]:
    """The kinds of evidence behind a row's valid results, each once, in the order of its columns."""
    return tuple(dict.fromkeys(result.assurance for result in row.found if not result.invalid))


def column_assurances(board: Leaderboard) -> tuple[Assurance | None, ...]:
    """The kind of evidence in each column, None where its valid results differ in it or there are none."""
    columns = zip(*(row.results for row in board.rows), strict=True)
    kinds = [{result.assurance for result in column if result and not result.invalid} for column in columns]
    return tuple(kind.pop() if len(kind) == 1 else None for kind in kinds)


def figure(result: Result | None) -> Figure | None:
    """A result's robust accuracy as a cell."""
    if result is None:
        return None
    return Figure(result.robust.mean, result.plan.samples, _state(result), result.plan.digest, result.spread)


def seeds(row: Row) -> int:
    """The number of seeds that every result of a row was run with."""
    return min((len(result.spread.seeds) if result.spread else 1 for result in row.found), default=0)


def _cells(
    row: Row, board: Leaderboard, ranks: Counter[int | None], radii: Iterable[float], has_tags: bool
) -> Iterator[Cell]:
    yield None if row.rank is None else Rank(row.rank, ranks[row.rank] > 1)
    yield row.defense.name
    yield " ".join(differences(row.defense, [other.defense for other in board.rows]))
    yield about_defense(row.defense.name).family
    if has_tags:
        yield ", ".join(tags_of(row.everything))
    yield None if row.worst is None else Figure(row.worst, row.worst.n)
    yield Figure(row.clean.mean, board.example.samples)
    yield from map(figure, row.results)
    yield from (certified(row, radius) for radius in radii)
    yield sum(result.forwards for result in row.found)
    yield sum(result.backwards for result in row.found)
    yield sum(result.seconds for result in row.everything)
    yield max((result.peak_memory for result in row.everything), default=0)
    yield "; ".join(each.text for each in assurances(row))
    yield seeds(row)


def _setting(column: Column, columns: Iterable[Column]) -> tuple[str, ...]:
    return differences(column.attack, [other.attack for other in columns])


def _state(result: Result) -> Literal["", "partial", "invalid"]:
    if result.invalid:
        return "invalid"
    return "" if result.complete else "partial"
