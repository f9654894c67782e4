"""The measurement of a GPU, small and on the CPU: its parts run, and AutoAttack's verdicts are the library's."""

from __future__ import annotations

from pathlib import Path

import accelerator
from contests.written import read


def test_autoattack_is_the_library_s_and_everything_is_kept(tmp_path: Path) -> None:
    output = tmp_path / "found.json"
    few = ("--samples", "2", "--steps", "4", "--queries", "4", "--output", str(output))
    assert accelerator.main(["--size", "small", "--device", "cpu", "--only", "autoattack", *few]) == 0
    found = read(output)
    assert found["autoattack"]["equal"] == found["autoattack"]["samples"] == 2
    assert all(found["ceilings"][name] > 0 for name in ("half", "single", "copy"))


def test_every_search_and_the_released_loop_are_measured(tmp_path: Path) -> None:
    output = tmp_path / "found.json"
    few = ("--images", "1", "--samples", "1", "--output", str(output))
    assert accelerator.main(["--size", "small", "--device", "cpu", "--only", "diffusion", *few]) == 0
    found = read(output)
    rows = {row["name"]: row for row in found["searches"]}
    assert rows.keys() == {"staged", "race", "released loop"}
    assert rows["staged"]["rows"] == rows["released loop"]["rows"] == 2750
    assert rows["staged"]["verdicts"] == rows["released loop"]["verdicts"]
    assert rows["race"]["rows"] <= 5000
    assert [row["rows"] for row in found["calls"]] == [8, 16, 32, 64, 128, 256, 512]
