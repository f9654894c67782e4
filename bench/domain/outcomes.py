"""All outcomes of a plan as arrays, for arithmetic over samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from bench.domain.outcome import Outcome


@dataclass(frozen=True)
class Outcomes:
    """One row a sample, in the plan's order: `index` and `label` (N,), predictions `clean` and `perturbed` (N, draws).

    `distance`, `radius`, `minimal` and `broken_at` (N,) are those of `Outcome`, NaN where an outcome has None;
    `fell_to` (N,) holds its texts, and its None.
    """

    index: NDArray[np.int64]
    label: NDArray[np.int64]
    clean: NDArray[np.int64]
    perturbed: NDArray[np.int64]
    distance: NDArray[np.float64]
    radius: NDArray[np.float64]
    minimal: NDArray[np.float64]
    broken_at: NDArray[np.float64]
    fell_to: NDArray[np.object_]

    def __len__(self) -> int:
        return len(self.index)

    @classmethod
    def of(cls, outcomes: Sequence[Outcome]) -> Outcomes:
        """The same outcomes as arrays."""
        return cls.of_columns(
            *([getattr(outcome, name) for outcome in outcomes] for name in cls.__dataclass_fields__)  # in this order
        )

    @classmethod
    def of_columns(
        cls,
        index: Sequence[int],
        label: Sequence[int],
        clean: Sequence[Sequence[int]],
        perturbed: Sequence[Sequence[int]],
        distance: Sequence[float],
        radius: Sequence[float | None],
        minimal: Sequence[float | None],
        broken_at: Sequence[float | None],
        fell_to: Sequence[str | None] = (),
    ) -> Outcomes:
        """From one list a column; every sample has as many draws as the first. Without `fell_to` nobody has parts."""
        return cls(
            np.asarray(index, dtype=np.int64),
            np.asarray(label, dtype=np.int64),
            np.asarray(clean, dtype=np.int64).reshape(len(index), -1 if clean else 0),
            np.asarray(perturbed, dtype=np.int64).reshape(len(index), -1 if perturbed else 0),
            np.asarray(distance, dtype=np.float64),
            np.asarray(radius, dtype=np.float64),
            np.asarray(minimal, dtype=np.float64),
            np.asarray(broken_at, dtype=np.float64),
            np.array([*fell_to] or [None] * len(index), dtype=np.object_),
        )

    @cached_property
    def clean_right(self) -> NDArray[np.bool_]:
        """Which draws (N, draws) classify the clean image correctly."""
        right: NDArray[np.bool_] = self.clean == self.label[:, None]
        return right

    @cached_property
    def robust_right(self) -> NDArray[np.bool_]:
        """Which draws (N, draws) classify the perturbed image correctly."""
        right: NDArray[np.bool_] = self.perturbed == self.label[:, None]
        return right

    @property
    def clean_rate(self) -> NDArray[np.float64]:
        """The share of draws (N,) that classify the clean image correctly."""
        return rates(self.clean_right)

    @property
    def robust_rate(self) -> NDArray[np.float64]:
        """The share of draws (N,) that classify the perturbed image correctly."""
        return rates(self.robust_right)

    @property
    def lowest(self) -> NDArray[np.float64]:
        """The share of right draws (N,) on the clean or on the perturbed image, whichever is lower."""
        lowest: NDArray[np.float64] = np.minimum(self.clean_rate, self.robust_rate)
        return lowest


def rates(right: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The share of right draws (N,) of each sample, of draws (N, draws)."""
    shares: NDArray[np.float64] = right[:, 0].astype(np.float64) if right.shape[1] == 1 else right.mean(1)
    return shares
