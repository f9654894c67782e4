"""Outcomes as a table with a row a sample, so that tests can edit them by SQL behind bench's back."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from bench.store.rows.outcomes import Packed, pack, unpack
from bench.store.rows.rowwise import columns_of

NAMES = ", ".join(Packed._fields)
ROWS = """CREATE TEMP TABLE outcomes (
    shard INTEGER, position INTEGER, sample INTEGER, label INTEGER, clean JSON, perturbed JSON, distance DOUBLE,
    radius DOUBLE, minimal DOUBLE, broken_at INTEGER, fell_to TEXT, PRIMARY KEY (shard, position)
)"""


@contextmanager
def editing(path: str | Path) -> Iterator[sqlite3.Connection]:
    """A database with a table `outcomes` as older benches had it; what it holds in the end is then packed again."""
    with closing(sqlite3.connect(path)) as connection, connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
        if "outcomes" in tables:
            yield connection
            return
        connection.execute(ROWS)
        stored = connection.execute(f"SELECT shard, {NAMES} FROM shard_outcomes").fetchall()
        for shard, *packed in stored:
            for position, each in enumerate(unpack([Packed(*packed)])):
                whole = (shard, position, each.index, each.label, json.dumps(each.clean), json.dumps(each.perturbed))
                row = (*whole, each.distance, each.radius, each.minimal, each.broken_at, each.fell_to)
                connection.execute(f"INSERT INTO outcomes VALUES ({', '.join('?' * len(row))})", row)
        yield connection
        for shard, *_ in stored:
            rows = connection.execute("SELECT * FROM outcomes WHERE shard = ? ORDER BY position", (shard,)).fetchall()
            connection.execute("DELETE FROM shard_outcomes WHERE shard = ?", (shard,))
            if rows:
                packed = pack(columns_of([row[2:] for row in rows]))
                marks = ", ".join("?" * (1 + len(packed)))
                connection.execute(f"INSERT INTO shard_outcomes (shard, {NAMES}) VALUES ({marks})", (shard, *packed))
