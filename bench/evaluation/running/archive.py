"""The harness's own images and labels, which no defense and no attack has ever touched."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.domain.dataset import Task
from bench.domain.plan import Plan
from bench.evaluation.running.reading import Reading, place_of
from bench.plugins.finding import entries

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Archive:
    """Reads the samples of plans, checked once a plan against the fingerprint that it holds; a context manager.

    Data sets that come with bench are read here, others in a process of their own, since their code may be a plugin's.
    """

    def __init__(self, data_dir: Path | None) -> None:
        self._data_dir = data_dir
        self._open = ExitStack()
        self._sets: dict[str, Any] = {}
        self._tasks: dict[str, Task] = {}

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, *failure: Any) -> None:
        self._open.__exit__(*failure)

    def task(self, plan: Plan) -> Task:
        """What a defense must know of the plan's data set. Raises `DataError` where its samples are other ones."""
        if plan.images not in self._tasks:
            self._tasks[plan.images] = self._ask(plan, None)
        return self._tasks[plan.images]

    def arrays(self, plan: Plan, indices: tuple[int, ...]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Images (N, C, H, W) float32 in [0, 1] and labels (N,) int64, new arrays at every call."""
        self.task(plan)
        images, labels = self._ask(plan, indices)
        return images.copy(), labels.copy()

    def _ask(self, plan: Plan, indices: tuple[int, ...] | None) -> Any:
        key = place_of(plan.dataset)
        if key not in self._sets:
            self._sets[key] = Reading() if _is_ours(plan.dataset.reference) else self._elsewhere()
        return self._sets[key]((plan if indices is None else plan.dataset, self._data_dir, indices))

    def _elsewhere(self) -> Any:
        from bench.executors.worker import Standing

        reader = Standing("read")
        self._open.callback(reader.close)
        return reader


def _is_ours(reference: str) -> bool:
    """Whether a data set comes with bench, so that reading it runs nobody else's code."""
    found = [entry.value for entry in entries("bench.datasets") if entry.name == reference.partition(":")[0]]
    return bool(found) and all(value.startswith("bench.") for value in found)
