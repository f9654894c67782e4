from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = ("torch", "diffusers", "transformers", "peft", "pyautoattack", "pyarrow", "sklearn", "scipy", "matplotlib")


@pytest.mark.parametrize("words", [["--help"], ["list", "defenses"], ["list", "attacks"], ["list", "protocols"]])
def test_verbs_that_only_look_import_nothing_heavy(words: list[str]) -> None:
    program = (
        "import sys; from bench.cli.app import build\n"
        f"try: build()({words!r})\n"
        f"except SystemExit: pass\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert run.stdout.splitlines()[-1] == "[]"


def test_imports_go_downward_only() -> None:
    if not (ROOT / "pyproject.toml").is_file():
        pytest.skip("the contracts stand in the checkout's pyproject.toml")
    script = Path(sys.executable).with_name("lint-imports")
    run = subprocess.run([script, "--no-cache"], capture_output=True, text=True, cwd=ROOT, check=False)
    assert run.returncode == 0, run.stdout
