"""What of a store was left out, as Python says it to whoever calls."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.store.store import Store


def tell_skipped(store: Store) -> None:
    """Warn of every plan that could not be read so far, once each."""
    for digest, sentence in store.skipped.items():
        warnings.warn(f"Left out: {sentence}", stacklevel=3)
        store.pass_over(digest)
