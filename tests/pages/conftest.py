"""The store whose pictures are looked at."""

from __future__ import annotations

import pytest

from bench.store.store import Store
from tests.pages.figures.drawn import enrich


@pytest.fixture(scope="package")
def rich(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store with every picture's data."""
    return enrich(Store(tmp_path_factory.mktemp("rich") / "results.db"))
