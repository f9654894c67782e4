"""Where the pages' commands run."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.docs.pages import EXAMPLES


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that holds what a reader copies, and nothing else, as the current one; the terminal is wide."""
    for path in EXAMPLES.iterdir():
        if path.suffix in (".py", ".toml"):
            shutil.copy(path, tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "220")
    return tmp_path
