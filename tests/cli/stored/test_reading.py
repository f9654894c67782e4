from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.evaluation.running.run import REPLAYED
from tests.cli.command import bench

EVALUATE = [
    *("evaluate", "--defense", "tests.plugins:Hyperplane", "--attack", "pgd-linf", "--source", "self"),
    *("--dataset", "tests.plugins:Halves", "--samples", "16", "--workers", "1", "--json"),
]


@pytest.mark.parametrize(
    ("what", "names"),
    [
        ("defenses", ["resnet", "wide-resnet", "vit", "diffusion-classifier", "tmdc"]),
        ("attacks", ["fgsm-linf", "pgd-linf", "pgd-l2", "aa-linf", "aa-l2"]),
        ("datasets", ["digits", "cifar10", "folder"]),
        ("protocols", ["transfer-1024"]),
    ],
)
def test_what_is_there_is_listed_for_people_and_for_programs(what: str, names: list[str]) -> None:
    code, out, _ = bench("list", what)
    assert code == 0
    assert all(name in out for name in names)
    listed = json.loads(bench("list", what, "--json")[1])
    assert set(names) <= {entry["name"] for entry in listed}


def test_a_plan_is_listed_and_shown_with_its_number_and_its_cost() -> None:
    plan = json.loads(bench(*EVALUATE)[1])["plan"]
    assert plan[:12] in bench("list", "plans")[1]
    code, out, _ = bench("show", plan[:8])
    assert code == 0
    for word in ("epsilon 0.05", "95 % interval", "40 forward", "white-box", "seed 2024"):
        assert word in out
    shown = json.loads(bench("show", plan[:8], "--json")[1])
    assert shown["document"]["attack"]["params"]["steps"] == 40
    assert shown["environments"][0]["torch"]


def test_the_report_is_one_page_that_holds_the_row() -> None:
    bench(*EVALUATE)
    code, out, _ = bench("report")
    assert code == 0
    assert "reports/index.html" in out
    assert "tests.plugins:Hyperplane" in Path("reports/index.html").read_text()


@pytest.mark.parametrize(
    ("words", "code", "hint"),
    [
        (["list", "plans"], 1, "bench evaluate"),
        (["report"], 1, "bench evaluate"),
        (["show", "abc"], 1, "bench evaluate"),
        (["list", "everything"], 2, "defenses"),
        (["evalute"], 2, "evaluate"),
    ],
)
def test_reading_what_is_not_there_says_what_to_do(words: list[str], code: int, hint: str) -> None:
    found, out, err = bench(*words)
    assert found == code
    assert hint in out + err
    assert not Path("results.db").exists()


def test_a_shown_plan_says_what_the_harness_saw_and_a_listed_one_how_many_doubts_there_are() -> None:
    found = json.loads(bench(*EVALUATE)[1])
    assert (found["level"], found["replayed"]) == ("white-box", REPLAYED)
    out = " ".join(bench("show", found["plan"][:8])[1].replace("│", " ").split())
    assert "random: no, differentiable: yes" in out
    assert f"judged again: {REPLAYED} images" in out
    for doubt in found["doubts"]:
        assert f"doubt: {doubt[:30]}" in out
    listed = bench("list", "plans")[1]
    assert ("doubt" in listed) is bool(found["doubts"])
