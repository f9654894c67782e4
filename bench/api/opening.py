"""A store that is only read, and how whoever reads it is told what could not be read of it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bench.store.store import Store


@contextmanager
def opened(db: str, artifacts: str | None, tell: Callable[[str], object]) -> Iterator[Store]:
    """The store; `tell` is given a sentence for each plan that was left out, however the reading ends."""
    from bench.store.store import Store  # which the command line opens only where it is needed

    store = Store(db, create=False, artifacts=artifacts)
    try:
        yield store
    finally:
        for sentence in store.skipped.values():
            tell(sentence)
        store.close()


def skipped(store: Store) -> dict[str, Any]:
    """The plans that were left out, as JSON data; nothing where there are none."""
    found = [{"plan": digest, "reason": sentence} for digest, sentence in store.skipped.items()]
    return {"skipped": found} if found else {}


def warn_skipped(store: Store) -> None:
    """Warn whoever has called the caller of every plan that was left out so far, once each."""
    for digest, sentence in store.skipped.items():
        warnings.warn(f"Left out: {sentence}", stacklevel=3)
        store.pass_over(digest)
