"""Which timesteps a diffusion classifier looks at, and when it drops which classes; needs no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from bench import UsageError
from defenses.parts.layout import Precision


@dataclass(frozen=True)
class Search:
    """Which timesteps are looked at when.

    The grid is `timesteps` evenly spaced steps of [lowest, highest); stage i looks at `seen[i]` of them, evenly spaced
    too, less those that were looked at before, and then keeps the `kept[i]` classes of the smallest mean error.
    Published for CIFAR-10 (Li et al. 2023, 2303.16203): 500 of [0, 1000), seen (50, 500), kept (5, 1). Deviation: where
    a number of timesteps does not divide the range, the released code rounds the spacing down and so never looks at
    the end of the range; here the grid spans all of it.
    """

    timesteps: int
    lowest: int
    highest: int
    seen: tuple[int, ...]
    kept: tuple[int, ...]
    loss: str

    def __post_init__(self) -> None:
        if not 0 <= self.lowest < self.highest or not 1 <= self.timesteps <= self.highest - self.lowest:
            raise UsageError(
                f"The grid needs 0 <= lowest < highest and at most one timestep a step; got {self.timesteps} timesteps "
                f"in [{self.lowest}, {self.highest})."
            )
        falling = all(a > b for a, b in zip(self.kept, self.kept[1:], strict=False))
        rising = all(a < b for a, b in zip(self.seen, self.seen[1:], strict=False))
        ends = self.seen[-1:] == (self.timesteps,) and self.kept[-1:] == (1,)
        if len(self.seen) != len(self.kept) or not (rising and falling and ends) or self.seen[0] < 1:
            raise UsageError(
                f"The stages must see ever more timesteps, up to {self.timesteps}, and keep ever fewer classes, down "
                f"to 1; got seen={self.seen}, kept={self.kept}."
            )

    def grid(self) -> tuple[int, ...]:
        """All timesteps, ascending: for 500 of [0, 1000) these are 1, 3, ..., 999."""
        return tuple(self.lowest + place for place in _spread(self.timesteps, self.highest - self.lowest))

    def stages(self) -> tuple[tuple[int, ...], ...]:
        """For each stage the places on the grid that it adds."""
        looked: set[int] = set()
        stages = []
        for count in self.seen:
            places = _spread(count, self.timesteps)
            stages.append(tuple(place for place in places if place not in looked))
            looked.update(places)
        return tuple(stages)


def _spread(count: int, length: int) -> tuple[int, ...]:
    """The whole numbers that lie in the middles of `count` equal parts of [0, length)."""
    return tuple((2 * part + 1) * length // (2 * count) for part in range(count))


PIXELS = Search(30, 0, 300, (6, 30), (3, 1), "l1")
LATENTS = Search(500, 0, 1000, (50, 500), (5, 1), "l1")


class Settings(Protocol):
    """The settings that all diffusion defenses have."""

    @property
    def loss(self) -> str: ...
    @property
    def timesteps(self) -> int | None: ...
    @property
    def lowest(self) -> int | None: ...
    @property
    def highest(self) -> int | None: ...
    @property
    def seen(self) -> tuple[int, ...] | None: ...
    @property
    def kept(self) -> tuple[int, ...] | None: ...
    @property
    def prompt(self) -> str: ...
    @property
    def precision(self) -> Precision: ...
    @property
    def rows(self) -> int | None: ...


def search_for(settings: Settings, latent: bool) -> Search:
    """The search that the settings describe; a `timesteps` without stages is looked at in one stage."""
    default = LATENTS if latent else PIXELS
    timesteps = default.timesteps if settings.timesteps is None else settings.timesteps
    unstaged = timesteps != default.timesteps
    seen, kept = ((timesteps,), (1,)) if unstaged else (default.seen, default.kept)
    return Search(
        timesteps,
        default.lowest if settings.lowest is None else settings.lowest,
        default.highest if settings.highest is None else settings.highest,
        seen if settings.seen is None else settings.seen,
        kept if settings.kept is None else settings.kept,
        settings.loss,
    )


def spelled_out(settings: Settings, latent: bool) -> dict[str, Any]:
    """The settings of the search with no value left to the backend."""
    search = search_for(settings, latent)
    return {name: getattr(search, name) for name in ("timesteps", "lowest", "highest", "seen", "kept")}
