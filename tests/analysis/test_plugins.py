"""What is known of the plugins that a store names."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.analysis.boards.plugins import About, about_attack, about_defense


def test_registered_plugins_say_what_they_are() -> None:
    about = about_defense("diffpure")
    assert about.family == "purification"
    assert about.target == "defenses.diffpure:DiffPure"
    assert "purif" in about.summary
    assert about_attack("fgsm-linf").summary.startswith("One step of epsilon along the gradient's sign")


def test_a_name_in_a_store_runs_no_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text("raise SystemExit('this ran')")
    for name in ("./mine.py:Mine", "mine:Mine", "nobody", ""):
        assert about_defense(name) == about_attack(name) == About()
