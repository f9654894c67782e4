"""A training tried for some seconds: what its steps take, and how many adversarial images it asks for."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from bench.domain.blame import blame
from bench.domain.trainable import EndTraining, Training
from bench.loading.counting import Counter
from bench.loading.determinism import exact
from bench.loading.environment import peak_memory, reset_peak_memory
from bench.training.training import TrainingRequest, prepare

if TYPE_CHECKING:
    from bench.domain.dataset import Batch, ImageSet

SECONDS = 8.0
"""Steps are timed for so long, or until one is done."""


@dataclass(frozen=True)
class TriedTraining:
    """What was seen of a training: its `steps` in all, as it counts them, and the `seconds`, the FLOP and the peak
    memory in bytes that these take; `images` are the training images that it wants perturbed. `weights` are what it
    wrote when it was ended; None where it wrote none."""

    steps: float
    seconds: float
    flop: float
    peak_memory: int
    images: int
    weights: Path | None

    @property
    def a_step(self) -> float:
        """Seconds of a step."""
        return self.seconds / self.steps if self.steps else 0.0


def attempt(request: TrainingRequest, folder: Path, seconds: float = SECONDS) -> TriedTraining:
    """Begin a training in a folder of its own, on untouched images in place of the adversarial ones, and end it after
    some seconds of steps. Raises what `train` raises before it learns anything."""
    defense, recipe, _, data = prepare(request)
    folder.mkdir(parents=True, exist_ok=True)
    timing, untouched = _Timing(seconds), _Untouched(data)
    run = Training(data.task, data, request.device, request.seed, folder, timing, untouched, "tried")
    reset_peak_memory(request.device)
    weights = None
    with exact(request.device), blame(request.defense):
        try:
            weights = defense.train(run, recipe).weights
        except EndTraining:
            pass
        finally:
            timing.close()
    return replace(
        timing.found(), peak_memory=peak_memory(request.device), images=len(untouched.asked), weights=weights
    )


class _Untouched:
    """In place of adversarial images the untouched ones; keeps which were asked for."""

    def __init__(self, data: ImageSet) -> None:
        self.asked: set[int] = set()
        self._data = data

    def __call__(self, indices: Sequence[int]) -> Batch:
        self.asked.update(int(index) for index in indices)
        return self._data.read([int(index) for index in indices])


@dataclass
class _Timing:
    """A watch that counts the operations of the steps between a training's first two reports, times those after them,
    and ends it after so many seconds. Where the unit of the reports changes it begins anew. Of a training that reports
    once, the operations until then count."""

    seconds: float
    _began: float = field(default_factory=time.perf_counter)
    _total: float = 0.0
    _first: tuple[float, float] = (0.0, 0.0)
    _rate: float | None = None
    _flop: float = 0.0
    _counter: Counter | None = None
    _ended: bool = False

    def __post_init__(self) -> None:
        self._count()

    def __call__(self, done: float, total: float, note: str = "") -> None:
        now, (since, before) = time.perf_counter(), self._first
        if total <= 0 or self._ended:
            return
        if total != self._total or done < before:
            self._flop = self.close() / done if done > 0 else 0.0
            self._total, self._first, self._rate = total, (now, done), None
            self._count()
        elif self._counter is not None:
            self._flop = self.close() / max(1.0, done - before)
            self._first = time.perf_counter(), done
        elif done > before:
            self._rate = (now - since) / (done - before)
            if now - since >= self.seconds and done < total:
                self._ended = True
                raise EndTraining

    def found(self) -> TriedTraining:
        """What it saw; a training that reported hardly anything took what it took."""
        steps, rate = self._total or 1.0, self._rate
        took = time.perf_counter() - self._began
        return TriedTraining(steps, took if rate is None else rate * steps, self._flop * steps, 0, 0, None)

    def _count(self) -> None:
        self._counter = Counter()
        self._counter.__enter__()  # type: ignore[no-untyped-call]

    def close(self) -> float:
        """Stop counting; the operations that were counted."""
        if self._counter is None:
            return 0.0
        self._counter.__exit__(None, None, None)  # type: ignore[no-untyped-call]
        counted, self._counter = self._counter.total, None
        return counted
