"""Digests of a store's plans by their beginning, for a shell that waits: read at once, or not at all."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

AT_ONCE = 0.1
"""Seconds for which a lock is waited for."""
MOST = 200


def digests(location: str, beginning: str) -> list[str]:
    """The digests that begin so, of plans with a finished shard, at most `MOST`, the newest first.

    None of a server, of a SQLite file that is locked, or of one that is no store. Nothing is made or written.
    """
    path = Path(location.removeprefix("sqlite:///"))
    if "://" in str(path) or not path.is_file() or not f"0{beginning}".isalnum():
        return []
    asked = (
        "SELECT digest FROM plans WHERE digest GLOB ? AND digest IN (SELECT plan FROM shards) "
        "ORDER BY rowid DESC LIMIT ?"
    )
    try:
        uri = f"{path.resolve().as_uri()}?mode=ro"
        with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=AT_ONCE)) as connection:
            return [str(digest) for (digest,) in connection.execute(asked, (f"{beginning}*", MOST))]
    except sqlite3.Error:
        return []
