from __future__ import annotations

import json
from pathlib import Path

from bench.store.database.versions import SCHEMA
from tests.cli.command import bench
from tests.store.honest import restore


def test_an_old_store_is_read_before_it_is_upgraded_and_written_only_afterwards() -> None:
    path = restore("schema_0002", Path())
    assert len(json.loads(bench("list", "plans", "--db", str(path), "--json")[1])) == 6
    code, _, err = bench("merge", str(restore("schema_0003", Path())), "--db", str(path))
    assert code == 1
    assert f"run `bench upgrade --db {path}` first" in err
    code, out, _ = bench("upgrade", "--db", str(path))
    assert code == 0
    assert f"{path} was brought from schema 0002 to {SCHEMA}. What it was is kept in {path}.0002-backup." in out
    assert "nothing was to be done" in bench("upgrade", "--db", str(path))[1]


def test_an_upgrade_is_told_to_programs_too() -> None:
    path = restore("schema_0003", Path())
    assert json.loads(bench("upgrade", "--db", str(path), "--json")[1]) == {
        "db": str(path),
        "before": "0003",
        "after": SCHEMA,
        "backup": f"{path}.0003-backup",
    }


def test_no_store_is_one_sentence() -> None:
    code, _, err = bench("upgrade")
    assert code == 1
    assert "There is no results database at results.db" in err
