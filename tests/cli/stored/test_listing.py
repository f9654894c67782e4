"""`bench list KIND NAME`: one plugin, its settings and their defaults."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.store.store import Store
from tests.analysis.made import add, small_plan
from tests.cli.command import bench


def settings_of(*words: str) -> dict[str, dict[str, object]]:
    code, out, err = bench("list", *words, "--json")
    assert (code, err) == (0, "")
    return {setting["name"]: setting for setting in json.loads(out)["settings"]}


def test_an_attack_shows_what_its_settings_take_and_their_defaults() -> None:
    found = settings_of("attacks", "pgd-linf")
    assert (found["steps"]["takes"], found["steps"]["default"]) == ("whole number", "40")
    assert (found["step_size"]["takes"], found["step_size"]["default"]) == ("text or none", "2/255")
    code, out, _ = bench("list", "attacks", "pgd-linf")
    assert code == 0
    for words in ("PGD in linf from a uniform start", "linf, white-box", "random_start", "true or false", "2/255"):
        assert words in out


def test_a_choice_shows_what_there_is_to_choose_from() -> None:
    found = settings_of("attacks", "corruption")["kind"]
    assert {"frost", "saturate"} <= {*found["choices"]}  # type: ignore[misc]  # it is a list


def test_a_default_that_depends_on_the_data_set_is_shown_as_it_is_there() -> None:
    found = settings_of("defenses", "tmdc")["timesteps"]
    assert (found["default"], found["resolved"]) == ("none", "30")
    assert "on digits" in bench("list", "defenses", "tmdc")[1]
    assert "on digits" not in bench("list", "defenses", "resnet")[1]


def test_a_setting_that_must_be_given_and_a_part_say_so() -> None:
    found = settings_of("defenses", "robustbench")["model"]
    assert (found["default"], found["required"]) == (None, True)
    assert settings_of("defenses", "diffpure")["classifier"]["takes"] == ("defense, its own settings as classifier.KEY")


def test_a_data_set_shows_its_customary_budgets_and_a_script_is_a_plugin_too(tmp_path: Path) -> None:
    assert "linf 0.1" in bench("list", "datasets", "digits")[1]
    assert "It has no settings." in bench("list", "datasets", "digits")[1]
    script = tmp_path / "mine.py"
    script.write_text(
        "from __future__ import annotations\nfrom dataclasses import dataclass\nfrom bench import Defense\n"
        "@dataclass(frozen=True)\nclass Mine(Defense):\n    '''Mine\n    alone.'''\n    width: float = 2.5\n"
        "    def load(self, task, device): ...\n"
    )
    assert settings_of("defenses", f"{script}:Mine")["width"]["default"] == "2.5"
    assert "Mine alone." in bench("list", "defenses", f"{script}:Mine")[1]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("attacks", "pgd-lin"), "Did you mean 'pgd-linf'?"),
        (("defenses", "resnett"), "Did you mean 'resnet'?"),
        (("datasets", "digit"), "Did you mean 'digits'?"),
        (("protocols", "x"), "Settings are those of defenses, attacks and datasets"),
        (("plans", "abc"), "`bench show abc` shows a plan"),
    ],
)
def test_what_has_no_settings_is_one_sentence(words: tuple[str, ...], sentence: str) -> None:
    code, out, err = bench("list", *words)
    assert (code, out) == (2, "")
    assert sentence in err


def test_published_models_of_nobody_are_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "robustbench", None)
    code, out, _ = bench("list", "models")
    assert code == 0
    assert out in ("", "No defense that is installed knows published models.\n") or "published by" in out


def test_rows_for_a_program_are_whole(tmp_path: Path) -> None:
    plan = small_plan("d" * 500)
    add(Store("results.db"), plan, [True] * 8, [True] * 8)
    program = [sys.executable, "-m", "bench", "list", "plans"]
    out = subprocess.run(program, capture_output=True, text=True, check=True, env=_environment()).stdout
    row = next(line for line in out.splitlines() if plan.digest in line)
    assert "d" * 500 in row
    assert plan.attack.name in row


def _environment() -> dict[str, str]:
    root = str(Path(__file__).parents[3])
    return {**{key: value for key, value in os.environ.items() if key != "COLUMNS"}, "PYTHONPATH": root}
