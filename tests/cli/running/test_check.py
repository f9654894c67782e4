from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.command import bench

EXAMPLE = Path(__file__).parents[3] / "examples" / "my_defense.py"
HALVES = ("--dataset", "tests.plugins:Halves")


def test_the_example_of_a_defense_of_ones_own_keeps_its_contracts() -> None:
    code, out, _ = bench("check", f"{EXAMPLE}:FewGreys", "-D", "levels=8")
    assert code == 0
    assert "keeps all 15 contracts" in out


@pytest.mark.parametrize("plugin", ["digits", "fgsm-linf"])
def test_attacks_and_data_sets_are_checked_alike(plugin: str) -> None:
    code, out, _ = bench("check", plugin)
    assert code == 0
    assert "keeps all" in out


def test_a_broken_plugin_is_explained_and_fails() -> None:
    code, out, _ = bench("check", "tests.plugins:Faulty", *HALVES, "-D", "fault=shape")
    assert code == 1
    assert "broken gives finite logits: The classifier returned logits of shape (4, 7); (4, 2) was expected." in out
    assert "breaks" in out


def test_findings_come_as_json() -> None:
    code, out, _ = bench("check", "tests.plugins:Cheat", "-A", "how=few", "--json")
    document = json.loads(out)
    assert code == 1
    assert document["kind"] == "attack"
    assert document["passed"] is False
    assert {"contract": "is a frozen recipe", "passed": True, "sentence": ""} in document["findings"]


def test_the_checks_store_nothing() -> None:
    bench("check", "tests.plugins:Hyperplane", *HALVES)
    assert list(Path.cwd().iterdir()) == []


@pytest.mark.parametrize(
    ("words", "code", "hint"),
    [
        (["resnett"], 2, "Did you mean 'resnet'"),
        (["tests.plugins:SHAPE"], 1, "is no plugin"),
        (["resnet", "-D", "weight=x"], 2, "Did you mean 'weights'"),
        (["resnet", "--dataset", "digit"], 2, "Did you mean 'digits'"),
    ],
)
def test_what_cannot_be_checked_says_why(words: list[str], code: int, hint: str) -> None:
    found, _, err = bench("check", *words)
    assert found == code
    assert hint in err
