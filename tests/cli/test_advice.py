"""What was given and has no effect is said once."""

from __future__ import annotations

import os
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from bench.analysis.results.summary import read
from bench.cli import advice
from bench.domain.plan import UNTOUCHED, Plan, Spec
from bench.domain.threat import ThreatModel
from bench.evaluation.running.run import Evaluation
from bench.store.store import Store
from tests.analysis.made import add, small_plan
from tests.cli.command import bench

HALVES = ("--dataset", "tests.plugins:Halves", "--samples", "8", "--workers", "3", "--shard-size", "8")
CLEAN = replace(small_plan("vit"), source=None, attack=UNTOUCHED, threat=ThreatModel("none", Fraction(0)))


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("BENCH_")]:
        monkeypatch.delenv(name)


def test_an_unknown_variable_is_said_once_with_the_nearest_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCH_EPSLON", "0.1")
    monkeypatch.setenv("BENCH_QQ", "1")
    monkeypatch.setenv("BENCH_DEBUG", "0")
    monkeypatch.setenv("BENCH_WORKERS", "1")
    code, out, err = bench("list", "studies", "--json")
    assert (code, out[0]) == (0, "[")
    assert err.splitlines() == [
        "Note BENCH_EPSLON means nothing to bench. Did you mean BENCH_EPSILON?",
        "Note BENCH_QQ means nothing to bench. `bench VERB --help` names those that do.",
    ]


@pytest.mark.parametrize(
    ("plan", "given", "sentences"),
    [
        (small_plan("vit"), {"source": "resnet", "epsilon": Fraction(1, 20), "passes": None}, []),
        (CLEAN, {"source": "self"}, []),
        (CLEAN, {"source": "resnet"}, ["--source resnet changes nothing: none asks no victim."]),
        (CLEAN, {"epsilon": Fraction(1)}, ["--epsilon changes nothing: none leaves the images as they are."]),
        (CLEAN, {"passes": 9}, ["--passes changes nothing: none asks no victim."]),
        (
            replace(small_plan("vit"), source=None, attack=Spec("certify-l2"), knowledge="certified"),
            {"source": "resnet"},
            ["--source resnet changes nothing: certify-l2 asks no victim."],
        ),
    ],
)
def test_what_a_plan_does_not_keep_is_said(plan: Plan, given: dict[str, Any], sentences: list[str]) -> None:
    assert advice.without_effect(plan, **given) == sentences


def test_workers_beyond_the_shards_are_said() -> None:
    plan = replace(small_plan("vit"), samples=8, shard_size=4)
    assert advice.idle_workers(2, [plan]) == advice.idle_workers(None, [plan]) == advice.idle_workers(3, []) == []
    assert advice.idle_workers(3, [plan]) == ["--workers 3 is more than there are shards; 2 workers can have work."]


@pytest.mark.parametrize("random", [False, True])
def test_noise_of_a_defense_that_has_none_is_said(random: bool) -> None:
    store, plan = Store("results.db"), small_plan("vit")
    add(store, plan, [True] * 8, [True] * 8)
    result = read(store, plan)
    assert result.evidence is not None
    result = replace(result, evidence=replace(result.evidence, random=random))
    assert len(advice.idle_noise([result], 3, True)) == (0 if random else 2)
    assert advice.idle_noise([result], 1, None) == []


def test_a_run_says_it_on_stderr_unless_it_is_to_be_quiet() -> None:
    words = ("evaluate", "--defense", "tests.plugins:Hyperplane", "--attack", "none", *HALVES, "--draws", "2")
    code, out, err = bench(*words, "--epsilon", "0.1")
    assert (code, "robust" in out or "clean" in out) == (0, True)
    assert [line.split(" changes")[0].split(" is more")[0] for line in err.splitlines() if line.startswith("Note")] == [
        "Note --epsilon",
        "Note --workers 3",
        "Note --draws 2",
    ]
    assert bench(*words, "--epsilon", "0.1", "--quiet")[2] == ""


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--defense", "resnet", "--defense", "resnett"), "No defense is called 'resnett'. Did you mean 'resnet'?"),
        (("--defense", "resnet", "--attack", "pgd-lin"), "No attack is called 'pgd-lin'. Did you mean 'pgd-linf'?"),
        (("--defense", "resnet", "--source", "vitt"), "No defense is called 'vitt'."),
        (("--defense", "resnet", "-d", "digit"), "No data set is called 'digit'."),
        (("--defense", "./away.py:Mine"), "There is no file away.py"),
        (("--defense", "away.py"), "is a file; name the defense in it as well"),
    ],
)
def test_a_sweep_with_an_unknown_name_says_so_once_before_anything(words: tuple[str, ...], sentence: str) -> None:
    code, out, err = bench("sweep", "white-box-1024", *words)
    assert (code, out, err.count(sentence)) == (2, "", 1)
    assert not [*Path.cwd().iterdir()]


def test_a_sweep_takes_its_budgets_and_seeds_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCH_EPSILON", "0.1 x")
    code, _, err = bench("sweep", "white-box-1024", "--defense", "resnet")
    assert (code, "'x' is not a number" in err) == (2, True)


def test_of_large_shards_that_leave_cores_idle_the_smaller_ones_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    large = replace(small_plan("vit"), samples=1024, size=1024, shard_size=512)
    long = Evaluation(large, computed=2, seconds=60.0)
    cores = {2: [], 6: ["On a CPU 2 shards keep 2 cores busy; --shard-size 128 would keep 6, under the same protocol."]}
    for count, said in cores.items():
        monkeypatch.setattr(os, "sched_getaffinity", lambda process, count=count: set(range(count)), raising=False)
        assert advice.idle_cores([long]) == said
    assert advice.idle_cores([replace(long, seconds=1.0)]) == []
    assert advice.idle_cores([replace(long, computed=0)]) == []
    assert advice.idle_cores([replace(long, plan=replace(large, shard_size=128))]) == []
