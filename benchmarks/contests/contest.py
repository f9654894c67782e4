"""What a contest is: two programs that are asked for the same verdicts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from contests.work import Work

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class Answer:
    """What one side found: a verdict a sample (N,), and gradients (N, ...) where these are compared too; its work where
    no network of this process could count it."""

    verdicts: Tensor
    gradients: Tensor | None = None
    work: Work | None = None


Side = Callable[[], Callable[[], Answer]]
"""Does the work, which is timed, and gives what reads the answer off it, which is not."""


@dataclass(frozen=True)
class Bout:
    """Both sides, ready to run, and the networks whose passes count as work."""

    ours: Side
    peer: Side
    networks: tuple[nn.Module, ...] = ()


@dataclass(frozen=True)
class Demand:
    """What must be equal: `verdict` (in words) of at least the share `equal` of the samples, and where gradients are
    compared, the cosine of every sample's two at least `cosine`. `stronger`: a sample that ours breaks (verdict 0) and
    the peer does not (1) counts as equal, for both look for the same thing and ours has found it."""

    verdict: str
    equal: float = 1.0
    cosine: float | None = None
    stronger: bool = False


ROBUST, CLASS = Demand("robust or not"), Demand("predicted class")


@dataclass(frozen=True)
class Contest:
    """Two programs for one thing. `make` prepares both sides for so many samples; a full run has `samples`, and needs
    the `packages`, by the names under which they are installed, and the environment's `variables`."""

    name: str
    ours: str
    peer: str
    demand: Demand
    make: Callable[[int], Bout]
    samples: int
    packages: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()
