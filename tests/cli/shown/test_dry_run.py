"""`--dry-run`: what a call would take, without taking it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bench.evaluation.estimates import measuring
from tests.cli.command import bench
from tests.cli.running.test_evaluate import HALVES, WHITE_BOX
from tests.cli.running.test_sweep import PROTOCOL, sweep

PGD = [*WHITE_BOX, "--attack", "pgd-linf", "-A", "steps=10"]
DRY = ("--dry-run",)
LASTING = ["--attack", "tests.evaluation.lasting:Lasting"]


@pytest.fixture(autouse=True)
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trials of half a second instead of many."""
    Path("small.toml").write_text(PROTOCOL)
    monkeypatch.setattr(measuring, "PACING", 0.5)
    monkeypatch.setattr(measuring, "TRYING", 0.5)


def priced(*words: str) -> dict[str, Any]:
    """The JSON of a dry run that goes well."""
    code, out, err = bench(*words, "--dry-run", "--json")
    assert code == 0, err
    found: dict[str, Any] = json.loads(out)
    return found


def test_what_is_left_is_printed_and_no_store_is_made() -> None:
    code, out, _ = bench(*PGD, "--dry-run")
    assert code == 0
    assert "5 of 5 shards are to be computed" in out
    for word in (
        "forward",
        "backward",
        "judged",
        "FLOP",
        "memory",
        "a pass",
        "tried on 8 samples",
        "hours",
        "lower bound",
    ):
        assert word in out
    assert "Nothing was stored" in out
    assert sorted(path.name for path in Path().iterdir()) == ["small.toml"]


def test_a_store_that_is_there_is_left_as_it_is_and_its_finished_shards_cost_nothing() -> None:
    bench(*PGD)
    before = Path("results.db").read_bytes(), sorted(Path("results.artifacts").rglob("*"))
    found = priced(*PGD)
    assert (found["to_compute"], found["estimate"]["shards_left"], found["estimate"]["work"]) == (0, 0, [])
    assert (found["total"]["seconds"], found["total"]["flop"], found["total"]["shards"]) == (0, 0, 0)
    assert "every shard is stored" in bench(*PGD, "--dry-run")[1]
    assert before == (Path("results.db").read_bytes(), sorted(Path("results.artifacts").rglob("*")))


def test_the_document_says_what_was_measured() -> None:
    found = priced(*PGD)
    (work,) = found["estimate"]["work"]
    assert found["plan"] == found["estimate"]["plan"] == work["plan"]
    assert (work["shards"], work["samples"]) == (5, 40)
    assert (work["forwards_per_sample"], work["backwards_per_sample"], work["judged_per_sample"]) == (10, 10, 2)
    assert work["flop"] == 40 * (10 + 10 + 2) * 2 * 16 * 2
    assert (work["flop_is"], work["certainty"], work["basis"]) == ("a lower bound", "measured", "tried on 8 samples")
    assert work["peak_memory"] >= 0
    assert 0 < work["seconds_a_pass"] < work["seconds"]
    assert work["hours"] == work["seconds"] / 3600
    assert found["total"]["workers"] == 1
    assert found["total"]["seconds"] >= work["seconds"]


def test_what_the_store_has_seen_under_another_seed_is_not_tried_again() -> None:
    bench(*PGD)
    (work,) = priced(*PGD, "--seed", "1")["estimate"]["work"]
    assert work["basis"] == "measured on 40 samples in the store"
    assert (work["forwards_per_sample"], work["backwards_per_sample"]) == (10, 10)


def test_seeds_are_rows_of_one_kind() -> None:
    found = priced(*PGD, "--seeds", "2")
    assert [run["estimate"]["attack"] for run in found["runs"]] == ["pgd-linf seed=0", "pgd-linf seed=1"]
    assert found["total"]["shards"] == 10


def test_an_attack_that_does_not_end_in_time_is_marked() -> None:
    (work,) = priced(*WHITE_BOX, *LASTING, "-A", "of=100000000")["estimate"]["work"]
    assert (work["certainty"], work["basis"].startswith("stopped after")) == ("extrapolated", True)
    assert work["forwards_per_sample"] == pytest.approx(1e8, rel=1e-3)
    code, out, _ = bench(*WHITE_BOX, *LASTING, "--dry-run")
    assert code == 0
    assert "at least: stopped after nobody knows which part of its run" in out
    assert "≥" in out
    assert "In all at least" in out


def test_a_sweep_s_images_are_crafted_once_in_its_total() -> None:
    code, out, _ = sweep("Rounded", "NoisyHyperplane", words=(*DRY, "--json", "--attack", "fgsm-linf"))
    found = json.loads(out)
    assert code == 0
    first, second = found["cells"]
    assert [(work["defense"].partition(":")[2], work["crafts"]) for work in first["work"]] == [
        ("Hyperplane", True),
        ("Rounded", False),
    ]
    assert [work["crafts"] for work in second["work"]] == [False]
    assert (first["elsewhere"], second["elsewhere"]) == (False, True)
    assert found["total"]["shards"] == 6
    table = sweep("Rounded", "NoisyHyperplane", words=(*DRY, "--attack", "fgsm-linf"))[1]
    assert "for it, tests.plugins:Hyperplane" in table
    assert not Path("results.db").exists()


def test_broken_defenses_are_rows_of_their_own_and_stop_no_other() -> None:
    words = (*DRY, "--json", "--attack", "fgsm-linf", "--source", "self")
    code, out, _ = sweep("Nothing", "Faulty", "Hyperplane", words=words)
    found = json.loads(out)
    assert code == 1
    assert "has no 'Nothing'" in found["cells"][0]["problem"]
    assert "bad layer" in found["cells"][1]["problem"]
    assert found["cells"][2]["problem"] is None
    assert (found["total"]["problems"], found["total"]["shards"]) == (2, 2)
    assert "failed" in sweep("Faulty", words=words[:1] + words[2:])[1]


def test_a_broken_source_is_the_problem_of_all_whose_images_it_would_craft() -> None:
    words = (*DRY, "--json", "--attack", "fgsm-linf", "--source", "tests.plugins:Faulty")
    code, out, _ = sweep("Hyperplane", "Rounded", words=words)
    assert code == 1
    assert ["bad layer" in cell["problem"] for cell in json.loads(out)["cells"]] == [True, True]


def test_bad_input_is_one_sentence() -> None:
    code, _, err = bench(*PGD, "--dry-run", "--db", "no/such/folder.db")
    assert (code, "does not exist" in err) == (1, True)
    code, _, err = bench("evaluate", "--defense", "tests.plugins:Nothing", "--attack", "pgd-linf", *HALVES, "--dry-run")
    assert (code, "has no 'Nothing'" in err) == (2, True)
    code, _, err = bench(*PGD, "--dry-run", "--device", "tpu")
    assert (code, "--device auto" in err) == (2, True)
