"""What is asked of a judge and what it says: a defense, a task's names and shape, images and seeds; logits in return.

What reaches the process that judges is here in full. There are no labels, no attack, no plan, and nothing that tells
clean images from perturbed ones, or a first asking from a second.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.domain.dataset import Task
from bench.domain.plan import Spec
from bench.loading.door import Introduction

if TYPE_CHECKING:
    from numpy.typing import NDArray

TOGETHER = 8
"""Images of the smallest questions: few enough that asking one again costs little, for a random classifier answers a
whole batch."""


@dataclass(frozen=True)
class Question:
    """Images (N, C, H, W) float32 in [0, 1], and one seed for each time that they are asked about.

    With a `cotangent` (N, K) the gradient of the logits so weighted is asked for as well. `votes` asks instead how
    often the base of a smoothed classifier gives each class in so many noisy copies, one number a seed.
    """

    images: NDArray[np.float32]
    seeds: tuple[int, ...]
    cotangent: NDArray[np.float32] | None = None
    votes: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Answer:
    """Logits (draws, N, columns) float32, a deterministic classifier's for the first seed alone; or votes (seeds, N,
    K) int64. Where a gradient (N, C, H, W) was asked for, `attached` are the logits that came with it.

    `asked` (n,) are the places of the images that the classifier was asked about; None for all. The others' answers
    were known: equal images, under equal seeds, of a classifier that meets all images with one noise.
    """

    logits: NDArray[Any]
    gradient: NDArray[np.float32] | None = None
    attached: NDArray[Any] | None = None
    asked: NDArray[np.int64] | None = None


@dataclass(frozen=True)
class Hearing:
    """Questions to one defense; `introduced` asks for the contracts at the door as well."""

    defense: Spec
    task: Task
    questions: tuple[Question, ...]
    introduced: bool = False


@dataclass(frozen=True)
class Testimony:
    """The answers in the order of the questions, what the classifier says of itself, and what it cost.

    `sigma` is that of a smoothed classifier whose votes were asked for. `alike` as in `Facts`.
    """

    answers: tuple[Answer, ...]
    deterministic: bool
    abstains: bool
    introduction: Introduction | None
    sigma: float | None
    remarks: tuple[str, ...]
    seconds: float
    peak_memory: int
    environment: dict[str, str]
    alike: tuple[int, int] = (0, 0)


def portions(count: int) -> list[tuple[int, int]]:
    """Where the questions about `count` images begin and end: half of what is left each, down to `TOGETHER`.

    Large ones cost least, and small ones are cheap to ask again.
    """
    found, start = [], 0
    while count - start > TOGETHER:
        end = start + (count - start + 1) // 2
        found.append((start, end))
        start = end
    return [*found, (start, count)]
