"""A hub without a network."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.defenses.hub import offline


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The empty cache of a hub that cannot be reached."""
    offline(tmp_path, monkeypatch)
    return tmp_path
