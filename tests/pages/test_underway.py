"""Who is at work on a store, and how long it will take."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from bench.analysis.underway import standing
from bench.pages.page import render
from bench.store.store import Store
from tests.analysis.made import add, make_plan


def test_nobody_is_at_work(store: Store) -> None:
    found = standing(store)
    assert (found.workers, found.plans, found.left) == ((), (), None)


def test_the_rate_is_that_of_the_last_hour_and_the_rest_takes_as_long(store: Store) -> None:
    plan, young = make_plan(samples=32, shard_size=4), make_plan(samples=32, shard_size=4, seed=3)
    add(store, plan, [True] * 32, [True] * 32, shards=range(6), seconds=60)
    latest = max(record.finished for record in store.shards(plan))
    store.claims.note("one", "pgd-linf on resnet", 6)
    store.claims.take(plan, [6, 7], "one", 60)
    store.claims.take(young, [0], "one", 60)
    found = standing(store, latest + timedelta(minutes=59))
    ours, theirs = sorted(found.plans, key=lambda each: -each.stored)
    assert (ours.shards, ours.stored, ours.held) == (8, 6, 2)
    assert ours.hourly == pytest.approx(6, rel=0.01)
    assert ours.left == pytest.approx(1200, rel=0.01)
    assert (theirs.stored, theirs.hourly, theirs.left, found.left) == (0, None, None, None)
    assert [worker.name for worker in found.alive] == ["one"]
    assert found.document()["plans"][0]["shards"] == 8


def test_a_watched_page_says_who_is_at_work(store: Store, tmp_path: Path) -> None:
    plan = make_plan(samples=32, shard_size=4)
    add(store, plan, [True] * 32, [True] * 32, shards=range(6))
    store.claims.note("one", "pgd-linf on resnet", 6)
    store.claims.take(plan, [6], "one", 60)
    watched = render(store, tmp_path / "page.html", refresh=5, pictures=False).read_text()
    assert "1 worker at work" in watched
    assert "6 of 8 shards" in watched
    assert "at work on" not in render(store, tmp_path / "page.html", pictures=False).read_text()
