"""What may be deleted of a store's crafted images, and what is kept for which reason."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.domain.plan import Spec
from bench.domain.queries.watching import ignore
from bench.store.images.artifacts import Artifacts
from bench.store.pruning import AWAITED, CLAIMED, OLDER, SHOWN, prune, survey
from bench.store.store import Store
from tests.store.honest import edit, fill, honest_plan, honest_result, restore
from tests.store.memory import Memory

WHITE = honest_plan()
STRONGER = honest_plan("aa-linf")
TRANSFER = replace(WHITE, defense=Spec("vit", {}, "1", {"network": "cd" * 32}), source=WHITE.defense)


def write_apart(store: Store) -> Store:
    """Two plans of two shards, the images of the second a little nearer."""
    fill(store, WHITE)
    return fill(store, STRONGER, epsilon=0.04)


def hashes(store: Store, plan: object) -> list[str]:
    return [record.perturbed_sha256 for record in store.shards(plan)]  # type: ignore[arg-type]


def test_what_is_shown_is_kept_and_the_rest_can_go(store: Store) -> None:
    write_apart(store)
    first, *others = hashes(store, WHITE) + hashes(store, STRONGER)
    found = survey(store, {first})
    assert {reason: [kept.sha256 for kept in files] for reason, files in found.keep.items()} == {SHOWN: [first]}
    assert [kept.sha256 for kept in found.delete] == sorted(others)
    outcomes = store.outcomes(STRONGER)
    freed = prune(store, found.delete, ignore)
    assert freed == sum(kept.size for kept in found.delete) > 0
    assert [kept.sha256 for kept in store.artifacts.kept()] == [first]
    assert store.outcomes(STRONGER) == outcomes
    assert survey(store, {first}).delete == ()


def test_images_that_an_unfinished_transfer_waits_for_are_kept(store: Store) -> None:
    fill(store, WHITE)
    store.add(TRANSFER, honest_result(TRANSFER, 0, store))
    found = survey(store, ())
    assert [kept.sha256 for kept in found.keep[AWAITED]] == [hashes(store, WHITE)[1]]
    assert [kept.sha256 for kept in found.delete] == [hashes(store, WHITE)[0]]
    store.add(TRANSFER, honest_result(TRANSFER, 1, store))
    assert survey(store, ()).keep == {}


def test_images_of_claims_are_kept(file_store: Store) -> None:
    store = write_apart(file_store)
    edit(store, f"UPDATE shards SET claimed = 1 WHERE plan = '{WHITE.digest}'")
    assert {kept.sha256 for kept in survey(store, ()).keep[CLAIMED]} == set(hashes(store, WHITE))


def test_images_of_an_older_bench_are_kept(tmp_path: Path) -> None:
    found = survey(Store(restore("schema_0002", tmp_path), create=False), ())
    assert found.keep.keys() == {OLDER}
    assert found.delete == ()


@pytest.mark.parametrize(("age", "goes"), [(3600.0, False), (2 * 86400.0, True)])
def test_what_no_plan_names_is_left_unless_it_is_asked_for_and_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, age: float, goes: bool
) -> None:
    import time

    place = Memory()
    theirs = Artifacts(place).write(np.ones((2, 1, 8, 8), np.float32))
    store = Store(tmp_path / "results.db", artifacts=place)
    fill(store, WHITE)
    assert [kept.sha256 for kept in survey(store, hashes(store, WHITE)).unnamed] == [theirs]
    later = time.monotonic() + age
    monkeypatch.setattr(time, "monotonic", lambda: later)
    found = survey(store, hashes(store, WHITE), unnamed=True)
    assert [kept.sha256 for kept in found.delete] == ([theirs] if goes else [])
