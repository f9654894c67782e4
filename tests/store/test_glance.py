"""A look at a store that may not be there."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import StoreError
from bench.store.glance import glance
from bench.store.rows.records import Cost
from bench.store.store import Store
from tests.analysis.made import ENVIRONMENT, add, small_plan


def test_a_store_that_is_not_there_is_empty_and_stays_away(tmp_path: Path) -> None:
    found = glance(tmp_path / "results.db")
    assert (found.plans(), found.pending(small_plan())) == ([], small_plan().shards())
    assert list(tmp_path.iterdir()) == []


def test_a_store_that_is_there_is_read_and_not_written(tmp_path: Path) -> None:
    store, plan = Store(tmp_path / "results.db"), small_plan()
    add(store, plan, [True] * 8, [True] * 8, shards=[1], passes=(40, 20), seconds=3.0)
    store.close()
    found = glance(tmp_path / "results.db")
    assert found.costs(plan.digest) == (
        Cost(1, 160, 80, 3.0, found.costs(plan.digest)[0].peak_memory, ENVIRONMENT["device"]),
    )
    assert found.costs("ab" * 32) == ()
    assert len(found.pending(plan)) == 1


def test_where_no_store_could_be_it_is_said(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="does not exist"):
        glance(tmp_path / "no" / "results.db")
    (tmp_path / "notes.db").write_text("these are my notes, not a database")
    with pytest.raises(StoreError):
        glance(tmp_path / "notes.db")
