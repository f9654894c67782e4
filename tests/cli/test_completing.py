"""What a shell is offered for a word that has only begun."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench.cli.app import build
from bench.cli.completing import as_bash_splits
from bench.store.database.beginnings import digests
from bench.store.store import Store
from tests.analysis.made import add, small_plan

CPU_SECONDS = 0.5


def offered(*words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What bash would be given for the last of these words."""
    monkeypatch.setenv("_BENCH_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "\n".join(["bench", *words]))
    monkeypatch.setenv("COMP_CWORD", str(len(words)))
    with pytest.raises(SystemExit) as ending:
        build()([])
    found = capsys.readouterr()
    assert (ending.value.code, found.err) == (0, "")
    return found.out.split()


@pytest.mark.parametrize(
    ("words", "some", "others"),
    [
        ("evaluate --defense re", ["resnet"], ["vit"]),
        ("evaluate --attack pgd-l", ["pgd-linf", "pgd-l2"], ["aa-linf"]),
        ("evaluate --attack n", ["none", "noise-l2"], []),
        ("evaluate --source s", ["self", "smoothing"], []),
        ("evaluate --dataset d", ["digits"], []),
        ("evaluate -p white", ["white-box-1024"], []),
        ("evaluate --sampling r", ["random"], []),
        ("evaluate --executor p", ["processes"], []),
        ("evaluate --defense tmdc -D l", ["loss=", "lowest="], ["weights="]),
        ("evaluate --defense tmdc -D risk=0.1 -D w", ["weights="], []),
        ("evaluate --attack pgd-linf -A s", ["steps=", "step_size="], ["draws="]),
        ("evaluate --dataset imagenet -S i", ["images="], []),
        ("evaluate --source diffpure --source-setting c", ["classifier="], []),
        ("sweep wh", ["white-box-1024"], []),
        ("sweep white-box-1024 --defense a", ["all", "adp"], []),
        ("sweep white-box-1024 --defense resnet --defense tmdc -D w", ["weights="], []),
        ("reproduce t", ["tmdc"], []),
        ("reproduce tmdc --scale q", ["quick"], []),
        ("train tmdc -D b", ["base="], []),
        ("generate je", ["jem"], []),
        ("generate jem --judge n", ["none"], []),
        ("diagnose vit -D w", ["weights="], []),
        ("diagnose vit --norm l", ["linf", "l2"], []),
        ("check i", ["imagenet"], []),
        ("compare re", ["resnet"], []),
        ("export x.csv -d cifar10", ["cifar10", "cifar100"], []),
        ("list attacks pgd-l", ["pgd-linf"], ["resnet"]),
        ("list defenses re", ["resnet"], []),
        ("list d", ["defenses", "datasets"], []),
    ],
)
def test_names_are_completed(
    words: str,
    some: list[str],
    others: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = offered(*words.split(), monkeypatch=monkeypatch, capsys=capsys)
    assert {*some} <= {*found}
    assert not {*others} & {*found}


@pytest.mark.parametrize(
    ("words", "replaced"),
    [
        ("evaluate --defense tmdc -D search = r", {"race"}),
        ("evaluate --defense tmdc -D search =", {"race", "staged", "full"}),
        ("evaluate --defense tmdc -D search = race -D loss = l", {"l1", "l2"}),
        ("evaluate --defense = tmdc -D search = st", {"staged"}),
        ("evaluate --defense = jem --attack = pgd-l", {"pgd-linf", "pgd-l2"}),
        ("evaluate --defense tmdc -D sea", {"search="}),
    ],
)
def test_bash_is_told_what_follows_the_equals_sign_which_it_makes_a_word(
    words: str, replaced: set[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("_BENCH_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "\n".join(["bench", *words.split()]))
    monkeypatch.setenv("COMP_CWORD", str(len(words.split())))
    with pytest.raises(SystemExit), as_bash_splits():
        build()([])
    assert {*capsys.readouterr().out.split()} == replaced


@pytest.mark.parametrize(
    "words",
    [
        ("evaluate", "--defense", "./re"),
        ("evaluate", "--defense", "/"),
        ("evaluate", "--defense", "nobody", "-D", ""),
        ("evaluate", "--defense", "./away.py:Mine", "-D", ""),
        ("evaluate", "--defense", "torchattacks", "-D", ""),
        ("evaluate", "-D", ""),
        ("reproduce", "nobody", "--scale", ""),
        ("reproduce", "--scale", ""),
        ("list", "plans", "a"),
        ("show", "--db", "away.db", ""),
        ("show", "--db", ".", ""),
        ("show", "--db", "postgresql://me:secret@nowhere.invalid/x", ""),
        ("show", "--db", "notes.txt", ""),
        ("show", "--db", "results.db", "a*"),
        ("evaluate", "--defense", "\x1b[31m\ud800"),
    ],
)
def test_what_cannot_be_completed_is_no_complaint(
    words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("notes.txt").write_text("my notes")
    monkeypatch.setattr(os, "environ", {**os.environ})  # a lone surrogate is no word that a system would pass
    before = sorted(Path.cwd().iterdir())
    assert offered(*words, monkeypatch=monkeypatch, capsys=capsys) == []
    assert sorted(Path.cwd().iterdir()) == before


def test_plans_are_completed_from_the_store_that_the_line_names(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    store, plans = Store("mine.db"), [small_plan("tmdc"), small_plan("jem")]
    for plan in plans:
        add(store, plan, [True] * 8, [True] * 8)
    everything = {plan.digest for plan in plans}
    assert {*offered("show", "--db", "mine.db", "", monkeypatch=monkeypatch, capsys=capsys)} == everything
    beginning = plans[0].digest[:6]
    assert digests("sqlite:///mine.db", beginning) == [plans[0].digest]
    monkeypatch.setenv("BENCH_DB", "mine.db")
    assert offered("verify", beginning, monkeypatch=monkeypatch, capsys=capsys) == [plans[0].digest]
    assert {*offered("compare", "res", monkeypatch=monkeypatch, capsys=capsys)} == {"resnet"}


def test_a_plugin_that_needs_what_is_slow_offers_no_settings_and_a_script_is_not_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("mine.py").write_text("from pathlib import Path\nPath('ran').touch()\n")
    monkeypatch.syspath_prepend(Path.cwd())
    Path("slow_plugin.py").write_text("import torch.nowhere_that_was_imported_before\nclass Mine: pass\n")
    for reference in ("mine.py:Mine", "slow_plugin:Mine"):
        assert offered("evaluate", "--defense", reference, "-D", "", monkeypatch=monkeypatch, capsys=capsys) == []
    assert not Path("ran").exists()


@pytest.mark.parametrize("words", [("evaluate", "--defense", "tmdc", "-D", ""), ("show", "")])
def test_a_shell_does_not_wait(words: tuple[str, ...]) -> None:
    program = (
        "import sys, time\n"
        "from bench.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print(time.process_time(), [name for name in ('torch', 'sqlalchemy', 'scipy') if name in sys.modules])"
    )
    place = str(Path(__file__).parents[2])
    asked = {"_BENCH_COMPLETE": "complete_bash", "COMP_WORDS": "\n".join(["bench", *words])}
    environment = {**os.environ, **asked, "COMP_CWORD": str(len(words)), "PYTHONPATH": place}
    fastest = CPU_SECONDS
    give_up = time.monotonic() + 20
    while fastest >= CPU_SECONDS and time.monotonic() < give_up:  # others may be at work on the same cores
        run = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment
        )
        seconds, _, heavy = run.stdout.splitlines()[-1].partition(" ")
        assert heavy == "[]"
        fastest = min(fastest, float(seconds))
    assert fastest < CPU_SECONDS
