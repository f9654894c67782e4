"""`bench.images`: a data set's images in memory, as defenses meet them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.domain.dataset import Batch, Split
from bench.loading.images import open_images
from bench.plugins.registry import datasets


def images(
    dataset: str,
    split: Split = "test",
    *,
    data_dir: str | Path | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Batch:
    """All images (N, C, H, W) of a split in [0, 1] and their labels (N,). Raises `DataError` where they are missing."""
    spec = datasets.spec(dataset, datasets.make(dataset, settings or {}))
    found = open_images(spec, None if data_dir is None else Path(data_dir), split)
    return found.read(range(len(found)))
