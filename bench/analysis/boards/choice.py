"""Which leaderboards of a store a reader means."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from bench.analysis.boards.leaderboards import Leaderboard, leaderboards
from bench.analysis.boards.tables import titles
from bench.analysis.results.entries import read_entries
from bench.analysis.results.seeds import seedless
from bench.domain.errors import UsageError
from bench.protocols import find_protocol, known_with

if TYPE_CHECKING:
    from bench.domain.plan import Plan
    from bench.protocols import Protocol
    from bench.store.store import Store


def choose_boards(
    store: Store, protocol: str | None = None, dataset: str | None = None, tags: Sequence[str] = ()
) -> tuple[Leaderboard, ...]:
    """The store's leaderboards, of one protocol (a name or a .toml file) and one data set where these are given, and
    of plans that carry all of the tags.

    Raises `UsageError` where there is none.
    """
    wanted = find_protocol(protocol) if protocol else None
    entries = read_entries(store)
    boards = leaderboards(store, known_with([wanted] if wanted else []), entries, tags)
    chosen = _chosen(boards, wanted, dataset)
    if wanted and not chosen:
        alone = leaderboards(store, [wanted], entries, tags)  # beside others it would only repeat a fuller one
        chosen = _chosen(alone, wanted, dataset)
    if chosen:
        return chosen
    if not boards:
        raise UsageError(f"{store.location} holds no results yet; run `bench evaluate` first.")
    asked = " and ".join(repr(name) for name in (wanted and wanted.name, dataset) if name)
    there = "; ".join(titles(boards))
    raise UsageError(f"{store.location} has no leaderboard of {asked}; it has these: {there}.")


def _chosen(boards: Iterable[Leaderboard], wanted: Protocol | None, dataset: str | None) -> tuple[Leaderboard, ...]:
    return tuple(
        board
        for board in boards
        if (wanted is None or (board.protocol is not None and board.protocol.name == wanted.name))
        and dataset in (None, board.example.dataset.name)
    )


def distinct(names: Iterable[str], joint: str = "-") -> tuple[str, ...]:
    """The names, each of which that was there before with a number after it."""
    found: dict[str, None] = {}
    for name in names:
        numbered = (f"{name}{joint}{number}" for number in itertools.count(2))
        found[name if name not in found else next(other for other in numbered if other not in found)] = None
    return tuple(found)


def choose_plans(
    store: Store, protocol: str | None = None, dataset: str | None = None, tags: Sequence[str] = ()
) -> list[Plan]:
    """The store's plans; where a protocol, a data set or tags are given, those on its leaderboards, every seed of them.

    Raises `UsageError` where there is none.
    """
    plans = store.plans()
    if protocol is None and dataset is None and not tags and plans:
        return plans
    boards = choose_boards(store, protocol, dataset, tags)
    shown = {seedless(result.plan) for board in boards for row in board.rows for result in row.everything}
    return [plan for plan in plans if seedless(plan) in shown]
