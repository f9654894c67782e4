"""`bench remove`: what it tells, what it takes, and what it leaves."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from bench.domain.plan import Spec
from bench.domain.threat import ThreatModel
from bench.store.store import Store
from tests.cli.command import bench
from tests.store.honest import edit, fill, honest_plan

WHITE = honest_plan()
OTHER = honest_plan(threat=ThreatModel("linf", Fraction(1, 5)))
JUDGED = replace(WHITE, defense=Spec("vit", {"width": 32}, "1", {"network": "cd" * 32}), source=WHITE.defense)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """Two plans that craft, one that judges what the first has crafted, and clean images of the first's defense."""
    monkeypatch.chdir(tmp_path)
    return fill(Store("results.db"), WHITE, JUDGED, OTHER, WHITE.untouched())


def _files(store: Store) -> set[str]:
    return {kept.sha256 for kept in store.artifacts.kept()}


def test_what_depends_on_a_plan_is_told_and_nothing_goes_without_an_answer(store: Store) -> None:
    before = Path("results.db").read_bytes()
    code, out, err = bench("remove", WHITE.digest[:12])
    assert code == 2
    assert "Nobody answered, and nothing was removed; add --yes" in err
    assert f"Plan {WHITE.digest[:12]}: resnet under pgd-linf on digits, linf 0.1; 2 shards." in out
    assert "2 files" in out
    assert "of crafted images that other plans name or wait for" in out
    assert f"1 plan ({JUDGED.digest[:12]} (vit under pgd-linf)) judges the images that it crafted" in out
    assert Path("results.db").read_bytes() == before
    _, out, _ = bench("remove", WHITE.untouched().digest)
    assert "2 plans (" in out
    assert "share its predictions of clean images" in out


def test_a_plan_goes_with_its_rows_and_with_those_images_that_no_other_needs(store: Store) -> None:
    files = _files(store)
    for plan, gone in ((OTHER, 2), (WHITE, 0), (JUDGED, 2)):
        code, out, err = bench("remove", plan.digest[:12], "--yes", "--json")
        assert code == 0, err
        (found,) = json.loads(out)
        assert (found["plan"], found["shards"], len(found["deleted_images"])) == (plan.digest, 2, gone)
        assert plan not in store.plans()
        assert _files(store) == files - set(found["deleted_images"])
        files = _files(store)
    assert store.plans() == [WHITE.untouched()]
    assert files == set()
    assert len(store.table(WHITE.untouched())) == 8


def test_a_plan_that_waits_for_images_keeps_them(store: Store) -> None:
    second = f"plan = '{JUDGED.digest}' AND number = 1"
    edit(store, f"DELETE FROM outcomes WHERE shard = (SELECT id FROM shards WHERE {second})")
    edit(store, f"DELETE FROM shards WHERE {second}")
    _, out, _ = bench("remove", WHITE.digest, "--yes", "--json")
    assert json.loads(out)[0]["deleted_images"] == []


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE plans SET document = '{' WHERE digest = '{digest}'",
        "UPDATE plans SET digest = 'nonsense' WHERE digest = '{digest}'",
        "DELETE FROM plans WHERE digest = '{digest}'",
        "UPDATE shards SET perturbed_sha256 = x'00', number = 'one' || number WHERE plan = '{digest}'",
        "DELETE FROM outcomes",
    ],
)
def test_a_plan_that_cannot_be_read_can_be_removed(store: Store, statement: str) -> None:
    edit(store, "PRAGMA foreign_keys = OFF", statement.replace("{digest}", OTHER.digest))
    code, _, err = bench("list", "plans")
    assert (code, f"Plan {OTHER.digest[:12]} " in err) == (0, True)
    code, out, err = bench("remove", OTHER.digest[:12], "--yes")
    assert code == 0, err
    assert "Removed 1 plan." in out
    assert OTHER.digest not in store.digests()
    assert (OTHER.digest[:12] in bench("list", "plans")[2]) is False


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("remove", "zzz"), "No plan in results.db starts with 'zzz'"),
        (("remove", ""), "No plan in results.db starts with ''"),
        (("remove", WHITE.digest, "--json"), "--json does not ask; add --yes"),
        (("remove", WHITE.digest, "--yes"), "Somebody is at work on plan"),
    ],
)
def test_what_cannot_be_removed_is_one_sentence(store: Store, words: tuple[str, ...], sentence: str) -> None:
    store.claims.take(WHITE, [0], "me", 60, finished=True)
    code, _, err = bench(*words)
    assert code == 2
    assert sentence in " ".join(err.split())
    assert len(store.plans()) == 4


def test_several_plans_go_together_or_not_at_all(store: Store) -> None:
    code, _, _ = bench("remove", OTHER.digest, "zzz", "--yes")
    assert (code, len(store.plans())) == (2, 4)
    code, out, _ = bench("remove", WHITE.digest, JUDGED.digest[:12], JUDGED.digest, "--yes")
    assert (code, "Removed 2 plans." in out) == (0, True)
    assert {plan.digest for plan in store.plans()} == {OTHER.digest, WHITE.untouched().digest}
