"""A small store, and the ways in which somebody may have spoilt it."""

from __future__ import annotations

import hashlib
import io
import json
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from bench.analysis.boards.choice import choose_boards
from bench.analysis.boards.tables import tabulate
from bench.analysis.results.summary import read
from bench.cli.shown import panels
from bench.cli.stored.listing import _plan_cells
from bench.pages.export.file_types import Format, What
from bench.pages.export.writing import export
from bench.store.store import Store
from tests.analysis.made import add, honest, small_plan
from tests.cli.command import bench

BAD, GOOD = small_plan("tmdc"), small_plan("jem")
CLEAN = GOOD.untouched()
RIGHT, HALF = [True] * 8, [True] * 4 + [False] * 4
BITS = json.dumps


def make(path: Path) -> None:
    """Three plans of two shards each: `BAD`, which is to be spoilt, `GOOD`, and the clean images of that."""
    store = Store(path)
    parts = ["", "clean", "pgd", "square"] * 2
    add(store, BAD, RIGHT, HALF, facts=honest(BAD), fell_to=parts)
    add(store, GOOD, RIGHT, HALF)
    add(store, CLEAN, RIGHT, RIGHT)
    store.close()
    with closing(sqlite3.connect(path)) as link:
        link.execute("PRAGMA journal_mode = DELETE")


def change(path: Path, *statements: str) -> None:
    """Edit the tables; `:bad` stands for the digest of the plan that is to be spoilt, `:ids` for its shards'."""
    with closing(sqlite3.connect(path)) as link, link:
        ids = ", ".join(str(one) for (one,) in link.execute("SELECT id FROM shards WHERE plan = ?", (BAD.digest,)))
        for statement in statements:
            link.execute(statement.replace(":bad", f"'{BAD.digest}'").replace(":ids", f"({ids})"))


def rewrite(path: Path, edit: Callable[[dict[str, Any]], Any], column: str = "document") -> str:
    """Give the plan another document, under the digest that is then its own, and say which that is."""
    document = BAD.document()
    text = BITS(edit(document) or document)
    try:
        digest = hashlib.sha256(BITS(json.loads(text), sort_keys=True).encode()).hexdigest()
    except ValueError:
        digest = BAD.digest
    with closing(sqlite3.connect(path)) as link, link:
        link.execute(f"UPDATE plans SET digest = ?, {column} = ? WHERE digest = ?", (digest, text, BAD.digest))
        link.execute("UPDATE shards SET plan = ? WHERE plan = ?", (digest, BAD.digest))
    return digest


def ways(store: Store) -> dict[str, Callable[[], object]]:
    """What the reading verbs do, without a command line around it."""
    return {
        "list": lambda: [(_plan_cells(each), BITS(each.document())) for each in map(_result(store), store.plans())],
        "show": lambda: [panels.figures(_result(store)(store.find(plan.digest))) for plan in store.plans()],
        "page": lambda: [tabulate(board) for board in choose_boards(store)],
        "results": lambda: export(store, io.BytesIO(), What.RESULTS, Format.CSV),
        "outcomes": lambda: export(store, io.BytesIO(), What.OUTCOMES, Format.JSON),
    }


def ask(*words: str) -> tuple[int, str]:
    """The exit code of `bench` with these words, and what it said; a traceback fails the test."""
    code, out, err = bench(*words)
    assert "Traceback" not in err, err
    return code, " ".join((out + err).split())


def flipped(content: bytes, seed: int) -> bytes:
    """A file with some bytes changed, or its end missing."""
    from random import Random

    chance = Random(seed)
    if seed % 3 == 0:
        return content[: chance.randrange(len(content))]
    spoilt = bytearray(content)
    for _ in range(chance.choice((1, 3, 30, 300))):
        spoilt[chance.randrange(len(spoilt))] ^= 1 << chance.randrange(8)
    return bytes(spoilt)


def _result(store: Store) -> Callable[[Any], Any]:
    return lambda plan: read(store, plan)


KINDS: dict[str, Callable[[Path], object]] = {
    "a folder": Path.mkdir,
    "notes": lambda path: path.write_text("these are my notes, and quite long ones at that; no database is in them."),
    "a pipe": os.mkfifo,
    "a loop": lambda path: path.symlink_to(path),
    "a link to nothing": lambda path: path.symlink_to("nothing at all"),
    "an empty file": Path.touch,
    "a picture": lambda path: path.write_bytes(bytes(range(256)) * 40),
    "the head of a database": lambda path: path.write_bytes(b"SQLite format 3\x00" + bytes(4080)),
    "another program's database": lambda path: _tables(path, "CREATE TABLE songs (title TEXT)"),
    "another program's plans": lambda path: _tables(path, "CREATE TABLE plans (id INTEGER)"),
    "two schemas": lambda path: _schema(path, "INSERT INTO bench_schema VALUES ('0004')"),
    "no schema": lambda path: _schema(path, "DELETE FROM bench_schema"),
    "a schema of later": lambda path: _schema(path, "UPDATE bench_schema SET version_num = '9999'"),
    "a schema that is no text": lambda path: _schema(path, "UPDATE bench_schema SET version_num = x'ff00'"),
    "tables that are missing": lambda path: _schema(path, "DROP TABLE shard_outcomes", "DROP TABLE conflicts"),
}


def _tables(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as link, link:
        for statement in statements:
            link.execute(statement)


def _schema(path: Path, *statements: str) -> None:
    make(path)
    _tables(path, *statements)
