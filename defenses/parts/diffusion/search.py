"""Which timesteps a diffusion classifier looks at, and how it rules classes out; needs no torch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

from bench import UsageError
from defenses.parts.diffusion.elimination import Elimination, Stages, spread
from defenses.parts.diffusion.race import Race
from defenses.parts.weights.layout import Precision

Method = Literal["race", "staged", "full"]


@dataclass(frozen=True)
class Search:
    """A grid of `timesteps` evenly spaced steps of [lowest, highest), and how classes are ruled out on it.

    Deviation from the published code: where a number of timesteps does not divide the range, that rounds the spacing
    down and so never looks at the end of the range; here the grid spans all of it.
    """

    timesteps: int
    lowest: int
    highest: int
    loss: str
    elimination: Elimination

    def __post_init__(self) -> None:
        if not 0 <= self.lowest < self.highest or not 1 <= self.timesteps <= self.highest - self.lowest:
            raise UsageError(
                f"The grid needs 0 <= lowest < highest and at most one timestep a step; got {self.timesteps} timesteps "
                f"in [{self.lowest}, {self.highest})."
            )
        if isinstance(self.elimination, Stages) and self.elimination.seen[-1] != self.timesteps:
            raise UsageError(
                f"The stages must see ever more timesteps, up to {self.timesteps}; got seen={self.elimination.seen}."
            )

    def grid(self) -> tuple[int, ...]:
        """All timesteps, ascending: for 500 of [0, 1000) these are 1, 3, ..., 999."""
        return tuple(self.lowest + place for place in spread(self.timesteps, self.highest - self.lowest))


PIXELS = Search(30, 0, 300, "l1", Stages((6, 30), (3, 1)))
LATENTS = Search(500, 0, 1000, "l1", Stages((50, 500), (5, 1)))
"""The grids and, where they are staged, the stages of a default search."""


class Settings(Protocol):
    """The settings that all diffusion defenses have."""

    @property
    def loss(self) -> str: ...
    @property
    def search(self) -> Method: ...
    @property
    def risk(self) -> float: ...
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
    def negligible(self) -> float: ...
    @property
    def prompt(self) -> str: ...
    @property
    def precision(self) -> Precision: ...
    @property
    def rows(self) -> int | None: ...


def search_for(settings: Settings, latent: bool) -> Search:
    """The search that the settings describe; staged, a `timesteps` without stages is looked at in one."""
    default = LATENTS if latent else PIXELS
    timesteps = default.timesteps if settings.timesteps is None else settings.timesteps
    return Search(
        timesteps,
        default.lowest if settings.lowest is None else settings.lowest,
        default.highest if settings.highest is None else settings.highest,
        settings.loss,
        _elimination(settings, default, timesteps),
    )


def spelled_out(settings: Settings, latent: bool) -> dict[str, Any]:
    """The settings of the search with no value left to the backend."""
    search = search_for(settings, latent)
    found: dict[str, Any] = {name: getattr(search, name) for name in ("timesteps", "lowest", "highest")}
    if isinstance(search.elimination, Stages) and settings.search == "staged":
        found |= {"seen": search.elimination.seen, "kept": search.elimination.kept}
    return found


def rows_an_image(settings: Settings, classes: int) -> float | None:
    """How many rows (class, timestep) an image costs; None where the image decides, or the settings are not spelled
    out."""
    if settings.search == "full" and settings.timesteps is not None:
        return float(classes * settings.timesteps)
    if settings.search == "staged" and settings.seen is not None and settings.kept is not None:
        left = (classes, *(min(kept, classes) for kept in settings.kept))
        looked = zip(left, (0, *settings.seen), settings.seen, strict=False)
        return float(sum(count * (seen - before) for count, before, seen in looked))
    return None


def _elimination(settings: Settings, default: Search, timesteps: int) -> Elimination:
    if settings.search != "staged" and (settings.seen is not None or settings.kept is not None):
        raise UsageError(f"seen and kept are of search=staged; got search={settings.search}.")
    if settings.search == "race":
        return Race(settings.risk)
    whole = Stages((timesteps,), (1,))
    if settings.search == "full":
        return whole
    assert isinstance(default.elimination, Stages)
    usual = default.elimination if timesteps == default.timesteps else whole
    seen, kept = settings.seen or usual.seen, settings.kept or usual.kept
    return replace(usual, seen=tuple(seen), kept=tuple(kept))
