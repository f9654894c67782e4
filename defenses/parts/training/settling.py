"""When adversarial training has settled: robust accuracy on images held out from it, and the best weights so far."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from bench import UsageError
from defenses.parts.randomness import stream


def split(size: int, share: float, seed: int) -> tuple[Tensor, Tensor]:
    """Indices to train on and indices held out, by a seeded draw; `share` (0 to 1) is the part held out.

    Raises `UsageError` where either part would be empty.
    """
    held = round(size * share)
    if not 0 < held < size:
        raise UsageError(f"held_out must leave images on both sides; {share} of {size} images is {held}.")
    order = torch.randperm(size, generator=stream(seed, "held-out"))
    return order[held:].sort().values, order[:held].sort().values


class Settling:
    """Measures a network every `every` steps and after the `last` one, keeps the best one, and says when `patience`
    measurements gave no better.

    `measure` gives a proportion, `store` writes a network to a path. `patience` 0 never ends the training. What was
    measured stays in files beside the training's checkpoint, so that a resumed run decides as a whole one does.
    """

    def __init__(
        self,
        best: Path,
        measure: Callable[[nn.Module], float],
        store: Callable[[nn.Module, Path], object],
        every: int,
        patience: int,
        last: int = 0,
    ) -> None:
        self.best = best
        self.note = ""
        self._measure = measure
        self._store = store
        self._every = every
        self._patience = patience
        self._last = last
        self._record = best.with_suffix(".json")
        self._measured: dict[int, float] | None = None

    def __call__(self, step: int, network: nn.Module) -> bool:
        """Called after every step (from 1); whether the training has settled."""
        if self._measured is None:
            self._measured = self._recall(step)
        if step % self._every and step != self._last:
            return False
        value = self._measure(network)
        if value > max(self._measured.values(), default=-1.0):
            self._store(network, self.best)
        self._measured[step] = value
        self._record.write_text(json.dumps(self._measured))
        top = self.top
        self.note = f"held out, robust: {value:.1%}, best {self._measured[top]:.1%}"
        return bool(self._patience) and step - top >= self._patience * self._every

    @property
    def top(self) -> int:
        """The first step of the highest measurement."""
        measured = self._measured or {}
        return max(measured, key=lambda step: (measured[step], -step))

    @property
    def highest(self) -> float:
        """The highest measurement."""
        return (self._measured or {})[self.top]

    def give(self, path: Path, network: nn.Module) -> Path:
        """Put the best network in its final place; where none was measured, as in a training that was ended, this."""
        if not self._measured:
            self._store(network, self.best)
            self._measured = {0: math.nan}
            self._record.write_text(json.dumps(self._measured))
        part = path.with_name(path.name + ".part")
        part.write_bytes(self.best.read_bytes())
        return part.replace(path)

    def forget(self) -> None:
        """Drop the record and the network that it is about."""
        self._record.unlink()
        self.best.unlink()

    def _recall(self, step: int) -> dict[int, float]:
        """What an interrupted run measured before the step at which this one goes on."""
        if step == 1 or not self._record.is_file():
            return {}
        found = {int(key): float(value) for key, value in json.loads(self._record.read_text("utf-8")).items()}
        return {key: value for key, value in found.items() if key < step}
