"""What a run says of the memory that its shards take."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from bench.loading import environment
from bench.loading.environment import peak_memory, reset_peak_memory

MEGABYTE = 2**20


def fill(megabytes: int) -> float:
    """Allocate so much, touch all of it, and let it go."""
    return float(np.ones(megabytes * MEGABYTE // 8).sum())


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux forgets the largest size of a process")
def test_a_shards_peak_memory_is_its_own() -> None:
    reset_peak_memory("cpu")
    fill(200)
    assert 190 * MEGABYTE < peak_memory("cpu") < 260 * MEGABYTE
    reset_peak_memory("cpu")
    fill(1)
    assert peak_memory("cpu") < 60 * MEGABYTE
    kept = np.ones(100 * MEGABYTE // 8)
    reset_peak_memory("cpu")  # what is held already is nobody's
    assert peak_memory("cpu") < 60 * MEGABYTE
    fill(200)
    assert 190 * MEGABYTE < peak_memory("cpu") < 260 * MEGABYTE
    assert len(kept)


def test_where_the_largest_size_cannot_be_forgotten_it_is_the_processs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "CLEAR_REFS", Path("/proc/nowhere/clear_refs"))
    reset_peak_memory("cpu")
    fill(1)
    assert peak_memory("cpu") > 20 * MEGABYTE
    monkeypatch.undo()
    reset_peak_memory("cpu")
