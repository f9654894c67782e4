"""What is set of a diffusion classifier: the timesteps that it looks at, how it rules classes out; needs no torch."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

from bench import Classifier, Task, Trainable, UsageError
from defenses.parts.diffusion.elimination import Elimination, Stages, spread
from defenses.parts.diffusion.race import Race
from defenses.parts.weights.layout import is_latent, precision_at

if TYPE_CHECKING:
    from defenses.parts.diffusion.denoiser import Denoiser
    from defenses.parts.diffusion.diffusion_classification import DiffusionClassification


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


@dataclass(frozen=True)
class Searched(Trainable):
    """A diffusion classifier: the settings that all have, as diffusion-classifier tells of them, and what they mean."""

    loss: Literal["l1", "l2"] = "l1"
    search: Literal["race", "staged", "full"] = "race"
    risk: float = 1e-3
    timesteps: int | None = None
    lowest: int | None = None
    highest: int | None = None
    seen: tuple[int, ...] | None = None
    kept: tuple[int, ...] | None = None
    negligible: float = 0.05
    prompt: str = "a blurry photo of a {class}."
    precision: Literal["auto", "float32", "float16", "bfloat16"] = "auto"
    rows: int | None = None

    @abstractmethod
    def path(self, task: Task) -> Path:
        """The file or folder of the denoiser."""

    def adaptation(self, task: Task) -> Path | None:
        """The file of low-rank weights to be merged into the denoiser; None where there is none."""
        return None

    def resolve(self, task: Task) -> Self:
        """The same classifier with its search spelled out."""
        search = search_for(self, is_latent(self.path(task)))
        found = replace(self, timesteps=search.timesteps, lowest=search.lowest, highest=search.highest)
        if isinstance(search.elimination, Stages) and self.search == "staged":
            return replace(found, seen=search.elimination.seen, kept=search.elimination.kept)
        return found

    def on(self, task: Task, device: Callable[[], str]) -> Self:
        """The same classifier with its precision spelled out."""
        return replace(self, precision=precision_at(self.precision, self.path(task), device))

    def load(self, task: Task, device: str) -> Classifier:
        """The classifier with its denoiser in memory, low-rank weights merged into it."""
        from defenses.parts.diffusion.assembly import denoiser_for

        denoiser = denoiser_for(self.path(task), self, task, device, self.adaptation(task))
        return self.classifier(denoiser.settled(), task, device)

    def classifier(self, denoiser: Denoiser, task: Task, device: str) -> DiffusionClassification:
        """A denoiser as a classifier of a task's images. Raises `UsageError` for a search that does not fit."""
        from defenses.parts.diffusion.diffusion_classification import DiffusionClassification, Grid
        from defenses.parts.diffusion.memory import chunks_for

        search = search_for(self, latent=not denoiser.pixels)
        if search.highest > len(denoiser.schedule):
            raise UsageError(
                f"The denoiser knows timesteps below {len(denoiser.schedule)}; highest is {search.highest}."
            )
        chunks, grid = chunks_for(denoiser, task, device, self.rows), Grid.even(search.grid(), search.loss)
        return DiffusionClassification(denoiser, grid, search.elimination, len(task.classes), chunks, self.negligible)

    def passes(self, task: Task) -> float | None:
        """Rows of (class, timestep) an image; None where the image decides, or the settings are not spelled out."""
        classes = len(task.classes)
        if self.search == "full" and self.timesteps is not None:
            return float(classes * self.timesteps)
        if self.search == "staged" and self.seen is not None and self.kept is not None:
            left = (classes, *(min(kept, classes) for kept in self.kept))
            looked = zip(left, (0, *self.seen), self.seen, strict=False)
            return float(sum(count * (seen - before) for count, before, seen in looked))
        return None


def search_for(settings: Searched, latent: bool) -> Search:
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


def _elimination(settings: Searched, default: Search, timesteps: int) -> Elimination:
    if settings.search != "staged" and (settings.seen is not None or settings.kept is not None):
        raise UsageError(f"seen and kept are of search=staged; got search={settings.search}.")
    if settings.search == "race":
        return Race(settings.risk)
    whole = Stages.whole(timesteps)
    if settings.search == "full":
        return whole
    assert isinstance(default.elimination, Stages)
    usual = default.elimination if timesteps == default.timesteps else whole
    seen, kept = settings.seen or usual.seen, settings.kept or usual.kept
    return replace(usual, seen=tuple(seen), kept=tuple(kept))
