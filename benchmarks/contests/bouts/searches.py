"""A diffusion classifier's errors on a whole grid, kept once, and any search over them as it is over a network."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor

from bench.datasets.digits import TASK
from bench.plugins.registry import defenses
from contests.work import counted
from defenses.parts.diffusion.denoiser import Denoiser
from defenses.parts.diffusion.diffusion_classification import DiffusionClassification
from defenses.parts.diffusion.noise_errors import Chunks

SEED = 11
"""Of the noise and of a race's order, the same for every search."""
PART, ROWS = 64, 16384
"""Images whose errors are recorded in one call; rows that are looked up at once."""


@dataclass(frozen=True)
class Search:
    """A way to rule classes out: what it is called, and the defense's settings for it."""

    name: str
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class Found:
    """A search's predicted classes (N,), its rows an image, and CPU seconds an image."""

    verdicts: Tensor
    rows: float
    seconds: float


def searches(timesteps: int, risks: tuple[float, ...]) -> list[Search]:
    """The whole grid; the published stages (a tenth of the timesteps, then 5 classes kept, then 1); those that pixels
    have by default (a fifth, then 3, then 1); and a race at each risk."""

    def staged(name: str, share: int, kept: int) -> Search:
        seen = (max(1, timesteps // share), timesteps)
        return Search(name, {"timesteps": timesteps, "search": "staged", "seen": seen, "kept": (kept, 1)})

    return [
        Search("full grid", {"timesteps": timesteps, "search": "full"}),
        staged("stages as published", 10, 5),
        staged("stages of pixels", 5, 3),
        *(Search(f"race, risk {risk:g}", {"timesteps": timesteps, "search": "race", "risk": risk}) for risk in risks),
    ]


def loaded(defense: str, search: Search) -> DiffusionClassification:
    """The defense with this search in memory."""
    model = defenses.make(defense, search.settings).load(TASK, "cpu")
    assert isinstance(model, DiffusionClassification)
    return model


def through_network(defense: str, search: Search, images: Tensor) -> Found:
    """A search as it is."""
    model = loaded(defense, search)
    with counted([model.denoiser.network]) as work, torch.no_grad():
        started = time.process_time()
        verdicts = model(images, rng()).argmax(1)
        seconds = time.process_time() - started
    return Found(verdicts, work.rows / len(images), seconds / len(images))


def over_table(defense: str, search: Search, table: Tensor) -> Found:
    """The same code over the known errors (N, K, T) of a full grid, recorded under the same noise."""
    model = loaded(defense, search)
    known = Remembered(table, model.grid.steps)
    classes = table.shape[1]
    again = DiffusionClassification(known, model.grid, model.elimination, classes, Chunks(ROWS, ROWS, len(table)))
    with torch.no_grad():
        started = time.process_time()
        verdicts = again(known.images(), rng()).argmax(1)
        seconds = time.process_time() - started
    return Found(verdicts, known.rows / len(table), seconds / len(table))


def errors_of(defense: str, whole: Search, images: Tensor, told: Callable[[int], None]) -> Tensor:
    """The errors (N, K, T) of images under every class at every timestep of the grid; `told` how many are done."""
    model = loaded(defense, whole)
    noted = Recorded(model.denoiser)
    again = DiffusionClassification(noted, model.grid, model.elimination, len(TASK.classes), Chunks(512, 512, PART))
    for start in range(0, len(images), PART):
        with torch.no_grad():
            again(images[start : start + PART], rng())
        told(min(start + PART, len(images)))
    return torch.cat(noted.errors_seen).view(len(images), len(TASK.classes), len(model.grid))


def rng() -> Generator:
    """The generator of every search."""
    return torch.Generator().manual_seed(SEED)


class Recorded(Denoiser):
    """A denoiser whose errors are kept, in the order in which they were asked for."""

    def __init__(self, denoiser: Denoiser) -> None:
        self.inner, self.errors_seen = denoiser, list[Tensor]()
        self.network, self.schedule, self.pixels = denoiser.network, denoiser.schedule, denoiser.pixels

    def encode(self, images: Tensor) -> Tensor:
        """The denoiser's own codes."""
        return self.inner.encode(images)

    def sample(self, images: Tensor, rng: Generator) -> Tensor:
        """The denoiser's own draw."""
        return self.inner.sample(images, rng)

    def noise(self, noisy: Tensor, steps: Tensor, classes: Tensor, signal: Tensor) -> Tensor:
        """The denoiser's own prediction."""
        return self.inner.noise(noisy, steps, classes, signal)

    def errors(self, codes: Tensor, noise: Tensor, steps: Tensor, classes: Tensor, loss: str) -> Tensor:
        """The denoiser's own errors, kept."""
        found = self.inner.errors(codes, noise, steps, classes, loss)
        self.errors_seen.append(found)
        return found


class Remembered(Denoiser):
    """In the place of a denoiser: errors (N, K, T) known before. A code is an image's number in its first value, so
    that it has an image's shape, and the search draws as much noise as it would for images."""

    pixels = True

    def __init__(self, table: Tensor, steps: Tensor) -> None:
        self.table, self.rows = table, 0
        self.place_of = torch.zeros(int(steps.max()) + 1, dtype=torch.int64)
        self.place_of[steps] = torch.arange(len(steps))

    def images(self) -> Tensor:
        """The codes of all images."""
        codes = torch.zeros(len(self.table), *TASK.shape)
        codes[:, 0, 0, 0] = torch.arange(len(self.table))
        return codes

    def encode(self, images: Tensor) -> Tensor:
        """The same."""
        return images

    def sample(self, images: Tensor, rng: Generator) -> Tensor:
        """The same: nobody trains here."""
        return images

    def noise(self, noisy: Tensor, steps: Tensor, classes: Tensor, signal: Tensor) -> Tensor:
        """Never asked for, since errors are known."""
        raise NotImplementedError

    def errors(self, codes: Tensor, noise: Tensor, steps: Tensor, classes: Tensor, loss: str) -> Tensor:
        """The known errors (R,) of these rows."""
        self.rows += len(codes)
        return self.table[codes[:, 0, 0, 0].long(), classes, self.place_of[steps]]
