"""Which crafted images the page of a store shows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from bench.analysis.boards.leaderboards import leaderboards
from bench.analysis.results.entries import read_entries
from bench.pages.exhibits import Exhibit
from bench.pages.figures.drawing import reader
from bench.pages.figures.gallery import Allowance, exhibition

if TYPE_CHECKING:
    from bench.analysis.results.entries import Entry
    from bench.domain.plan import Plan
    from bench.protocols import Protocol
    from bench.store.store import Store


def shown(store: Store, protocols: Iterable[Protocol] | None = None) -> frozenset[str]:
    """The hashes of the files of which the leaderboards of these protocols (the built-in ones by default) and all
    others show a sample; none is read."""
    entries = read_entries(store)
    read, noted = reader(store, entries), _Noted(entries)
    for board in leaderboards(store, protocols, entries):
        exhibition(board, read, noted, Allowance())
    return frozenset(noted.files)


class _Noted:
    """A gallery that shows nothing, and notes which files it would have read."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self.files: set[str] = set()
        self._hashes = {entry.plan.digest: entry.result.images for entry in entries}

    def show(self, plan: Plan, sample: int, predictions: Iterable[tuple[str, Sequence[int]]]) -> Exhibit:
        """An exhibit without images, which takes no room."""
        self.files.add(self._hashes[plan.digest][plan.indices.index(sample) // plan.shard_size])
        return Exhibit(sample, "", "", "", "", 1, ())
