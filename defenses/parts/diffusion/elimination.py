"""Which classes a diffusion classifier goes on with after each look at more timesteps; imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from bench import UsageError

if TYPE_CHECKING:
    from torch import Tensor


class Elimination(Protocol):
    """How classes are ruled out. Places are numbers below T, the length of a grid of timesteps."""

    @property
    def shuffled(self) -> bool:
        """Whether `looks` wants the grid in random order."""
        ...

    def looks(self, order: Sequence[int]) -> tuple[tuple[int, ...], ...]:
        """For each look the places that it adds, out of all T in some order."""
        ...

    def survivors(self, look: int, errors: Tensor, alive: Tensor, grid: int) -> Tensor:
        """Which classes (N, K) stay after a look (the first is 0), of those `alive` (N, K) that it was about.

        `errors` (N, K, n) are all that were seen so far, 0 where a class was not alive. The class of the least mean
        error always stays.
        """
        ...


@dataclass(frozen=True)
class Stages:
    """Stage i has seen `seen[i]` timesteps, evenly spaced and less those looked at before, and then keeps the `kept[i]`
    classes of the smallest mean error.

    Published for CIFAR-10 (Li et al. 2023, 2303.16203): 500 timesteps, seen (50, 500), kept (5, 1).
    """

    seen: tuple[int, ...]
    kept: tuple[int, ...]
    shuffled = False

    def __post_init__(self) -> None:
        falling = all(a > b for a, b in zip(self.kept, self.kept[1:], strict=False))
        rising = all(a < b for a, b in zip(self.seen, self.seen[1:], strict=False))
        if len(self.seen) != len(self.kept) or not (rising and falling and self.kept[-1:] == (1,)) or self.seen[0] < 1:
            raise UsageError(
                f"The stages must see ever more timesteps and keep ever fewer classes, down to 1; got "
                f"seen={self.seen}, kept={self.kept}."
            )

    @classmethod
    def whole(cls, count: int) -> Stages:
        """No elimination: one stage for all of so many timesteps."""
        return cls((count,), (1,))

    def looks(self, order: Sequence[int]) -> tuple[tuple[int, ...], ...]:
        """For each stage the places on the grid that it adds."""
        looked: set[int] = set()
        stages = []
        for count in self.seen:
            places = spread(count, len(order))
            stages.append(tuple(place for place in places if place not in looked))
            looked.update(places)
        return tuple(stages)

    def survivors(self, look: int, errors: Tensor, alive: Tensor, grid: int) -> Tensor:
        """The classes of the smallest mean errors, as many as the stage keeps; after the last stage all of them."""
        if look == len(self.seen) - 1:
            return alive
        mean = errors.mean(2).masked_fill(~alive, float("inf"))
        rank = mean.argsort(dim=1, stable=True).argsort(dim=1, stable=True)
        return alive & (rank < self.kept[look])


def spread(count: int, length: int) -> tuple[int, ...]:
    """The whole numbers that lie in the middles of `count` equal parts of [0, length)."""
    return tuple((2 * part + 1) * length // (2 * count) for part in range(count))
