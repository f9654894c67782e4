"""A store that a verb reads; what could not be read of it is told when the verb is done with it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from bench.cli.console import escape, stderr

if TYPE_CHECKING:
    from bench.store.store import Store


@contextmanager
def opened(db: str, artifacts: str | None = None) -> Iterator[Store]:
    """The store, only to be read; each plan that was left out is named on stderr, however the reading ends."""
    from bench.store.store import Store

    store = Store(db, create=False, artifacts=artifacts)
    try:
        yield store
    finally:
        for sentence in store.skipped.values():
            stderr.print(f"[yellow bold]Left out[/] {escape(sentence)}", highlight=False, soft_wrap=True)
        store.close()


def skipped(store: Store) -> dict[str, Any]:
    """The plans that were left out, as JSON data; nothing where there are none."""
    found = [{"plan": digest, "reason": sentence} for digest, sentence in store.skipped.items()]
    return {"skipped": found} if found else {}
