"""The command's other name, and its version."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bench import __version__
from tests.cli.command import bench


@pytest.mark.parametrize("word", ["--version", "-V"])
def test_the_version_is_told(word: str) -> None:
    assert bench(word) == (0, f"bench {__version__}\n", "")


def test_python_runs_the_package() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "bench", "-V"], cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True
    )
    assert run.stdout == f"bench {__version__}\n"
