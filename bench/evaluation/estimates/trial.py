"""A trial before work: how fast a classifier is, and what an attack asks of it on a few samples of a shard."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from bench.domain.dataset import Task
from bench.domain.plan import Plan, Shard, Spec
from bench.evaluation.shard.proposal import Craft

if TYPE_CHECKING:
    from numpy.typing import NDArray

Points = tuple[tuple[int, float], ...]
"""Sizes of a batch, and the seconds that one took."""


@dataclass(frozen=True)
class Pacing:
    """A classifier whose passes are to be timed on images (N, C, H, W), a shard's whole batch where the seconds allow
    that."""

    defense: Spec
    task: Task
    images: NDArray[np.float32]
    seconds: float


@dataclass(frozen=True)
class Pace:
    """How fast a classifier is. `forward` are forward passes by their batch, `backward` what a gradient takes besides;
    none where there is no gradient.

    `flop` and `flop_backward` are of one sample; they count matrix products, convolutions and attention alone.
    `peak_memory` is in bytes, of the largest of these batches. `seconds` is what all of this took once the classifier
    was loaded.
    """

    deterministic: bool
    forward: Points
    backward: Points
    flop: float
    flop_backward: float
    peak_memory: int
    seconds: float
    device: str


@dataclass(frozen=True)
class Trial:
    """A shard that an attack is to be tried on, as `Craft`, in runs on `first` of its samples and then on more and more
    while the seconds last."""

    plan: Plan
    shard: Shard
    task: Task
    images: NDArray[np.float32]
    labels: NDArray[np.int64]
    first: int
    seconds: float

    def craft(self, rows: int) -> Craft:
        """The crafting of the first rows of the shard."""
        shard = replace(self.shard, indices=self.shard.indices[:rows])
        return Craft(self.plan, shard, self.task, self.images[:rows], self.labels[:rows])


@dataclass(frozen=True)
class Tried:
    """What an attack asked and took on the first `samples` of a shard: passes in samples, queries, and those of them
    with a gradient.

    `share` is how much of its run the attack last said that it had behind it before it was stopped, 1 where it ended,
    and `told` the passes that it had asked for then; `half` are both at half of that.
    `closest`: it proposes nearest images besides, which are judged as well. `audits` of a whole shard's queries may be
    kept. `flop` is that of one pass of a proof, which asks the base of a smoothed classifier; None for attacks.
    """

    samples: int
    forwards: int
    backwards: int
    queries: int
    gradients: int
    seconds: float
    peak_memory: int
    share: float = 1.0
    told: int = 0
    half: tuple[float, int] = (0.0, 0)
    closest: bool = False
    audits: int = 0
    flop: float | None = None
