"""A data set's samples, read where they are asked for; the archive asks, from its own process or another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bench.domain.dataset import ImageSet
from bench.domain.plan import Plan, Spec
from bench.loading.images import check_samples, open_images


class Reading:
    """Answers what an archive asks; keeps each data set that it has read."""

    def __init__(self) -> None:
        self._sets: dict[str, ImageSet] = {}

    def __call__(self, job: tuple[Plan | Spec, Path | None, tuple[int, ...] | None]) -> Any:
        """The task of a plan whose samples were found to be its own, or the arrays of some samples of a data set."""
        asked, data_dir, indices = job
        spec = asked.dataset if isinstance(asked, Plan) else asked
        key = place_of(spec)
        if key not in self._sets:
            self._sets[key] = open_images(spec, data_dir)
        if isinstance(asked, Plan):
            check_samples(asked, self._sets[key])
            return self._sets[key].task
        assert indices is not None
        return self._sets[key].arrays(indices)


def place_of(spec: Spec) -> str:
    """What tells one data set from another on this machine."""
    return str((spec.document(), spec.place))
