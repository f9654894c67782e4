"""`bench prune` says what it would delete, asks, and deletes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bench import Store
from bench.cli.app import build
from bench.pages.shown import shown
from tests.cli.command import bench
from tests.store.honest import fill, honest_plan


@pytest.fixture
def store() -> Store:
    store = fill(Store("results.db"), honest_plan())
    return fill(store, honest_plan("fgsm-linf"), epsilon=0.02)


def files() -> set[str]:
    return {path.stem for path in Path("results.artifacts").rglob("*.safetensors")}


def test_it_deletes_what_no_shown_number_needs(store: Store) -> None:
    before, needed = files(), set(shown(store))
    assert 0 < len(needed) < len(before) == 4
    code, out, _ = bench("prune", "--dry-run")
    assert (code, files()) == (0, before)
    assert f"kept     {len(needed)} file" in out
    assert "Nothing was deleted." in out
    code, out, _ = bench("prune", "--yes")
    assert (code, files()) == (0, needed)
    assert f"Deleted {4 - len(needed)} file" in out
    assert "with --images crafts images again and checks them by their hash" in out
    page = bench("report")
    assert (page[0], "goes without" in page[2]) == (0, False)
    document = json.loads(bench("prune", "--json", "--yes")[1])
    assert (document["delete"]["files"], document["deleted"]) == (0, False)


def test_it_asks_first(store: Store) -> None:
    before = files()
    for answer, code in (("n\n", 0), ("", 2)):
        found = CliRunner().invoke(build(), ["prune"], input=answer)
        assert (found.exit_code, files()) == (code, before)
    assert "add --yes" in found.stderr
    assert bench("prune", "--json")[0] == 2
    assert files() == before


def test_a_page_whose_images_are_gone_says_where_they_were_looked_for(store: Store) -> None:
    for path in Path("results.artifacts").rglob("*.safetensors"):
        path.unlink()
    code, _, err = bench("report")
    assert code == 0
    assert "crafted images are missing or damaged in results.artifacts. --artifacts names another place" in err


def test_nothing_is_deleted_while_somebody_is_at_work(store: Store) -> None:
    before = files()
    store.claims.take(honest_plan("pgd-linf", seed=5), [0], "one", 60)
    code, _, err = bench("prune", "--yes")
    assert (code, files()) == (2, before)
    assert "see `bench status`" in err
    assert bench("prune", "--dry-run")[0] == 0
