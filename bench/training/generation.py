"""Draws images of every class from a generative defense, judges them, and writes them with a picture and a card."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.domain.blame import blame
from bench.domain.dataset import ImageSet, Task
from bench.domain.defense import Watch
from bench.domain.errors import PluginError, UsageError
from bench.domain.plan import Spec
from bench.domain.queries.asking import ask
from bench.domain.trainable import Generative
from bench.loading.classifiers import load_defense
from bench.loading.determinism import exact, seeded
from bench.loading.environment import environment
from bench.plugins.registry import defenses
from bench.training.folders import make_folder
from bench.training.image_files import NAMES, check, image_file, sha256_of
from bench.training.memory import fitting
from bench.training.reading import opened

if TYPE_CHECKING:
    from torch import Generator, Tensor

PICTURE, CARD = "samples.png", "card.json"
PIECE = 4096
"""Images that are drawn at once."""
MOST = 100_000_000
"""Images of one call; published sets have up to 50 million."""
MOST_STEPS = 100_000
MOST_REAL = 10_000
"""Real images, from the first, that generated ones are compared with."""
_BATCH = 256
_COLUMNS, _SIDE = 16, 48


@dataclass(frozen=True)
class GenerationRequest:
    """What a person asked `bench generate` for; `pixels` is their type in the file, 'float32' or 'uint8', and `judge`
    the defense that looks at the images (None: nobody)."""

    defense: str
    folder: Path
    command: str
    images: int = 1000
    steps: int = 18
    seed: int = 0
    pixels: str = "float32"
    judge: str | None = "resnet"
    defense_settings: Mapping[str, Any] = field(default_factory=dict)
    dataset: str = "digits"
    dataset_settings: Mapping[str, Any] = field(default_factory=dict)
    data_dir: Path | None = None
    device: str = "cpu"


@dataclass(frozen=True)
class GenerationReport:
    """Where the images, their picture and their card are, and what the judge found."""

    images: Path
    picture: Path
    card: Path
    figures: Mapping[str, float]


def generate(request: GenerationRequest, watch: Watch) -> GenerationReport:
    """Draw images, as many of each class as possible, and write them; equal requests give equal images.

    They are drawn, judged and written a piece at a time, so that any number of them fits into memory. Raises
    `UsageError` for a defense that draws no images, `PluginError` for images that are none.
    """
    defense = defenses.make(request.defense, request.defense_settings)
    if not isinstance(defense, Generative):
        raise UsageError(f"{request.defense} cannot draw images: it is not a bench.Generative.")
    if request.images < 1:
        raise UsageError(f"At least one image is needed; got {request.images}.")
    if request.images > MOST:
        raise UsageError(f"One call draws at most {MOST:,} images; got {request.images:,}.")
    if request.steps > MOST_STEPS:
        raise UsageError(f"An image is drawn in at most {MOST_STEPS:,} steps; got {request.steps:,}.")
    if request.steps < 1:
        raise UsageError(f"Drawing takes at least one step; got {request.steps}.")
    check(request.pixels)
    import torch

    where = request.dataset, request.dataset_settings, request.data_dir
    _, data = opened(*where, "train")
    spec = defenses.spec(request.defense, defense, data.task)
    judge = None if request.judge is None else _Judge(request.judge, data, request.device)
    labels = torch.arange(request.images, device=request.device) % len(data.task.classes)
    rng = torch.Generator(request.device).manual_seed(request.seed)
    shown: list[Tensor] = []

    make_folder(request.folder)
    path = request.folder / NAMES[request.pixels]
    with image_file(path, request.pixels, data.task.shape, labels.cpu().numpy()) as write:
        for start in range(0, request.images, PIECE):
            classes = labels[start : start + PIECE]

            def tell(done: float, total: float, note: str = "", start: int = start) -> None:
                watch(start + done, request.images, note)

            with exact(request.device), seeded(rng, request.device), blame(spec.name):
                images = defense.sample(data.task, request.device, classes, request.steps, rng, tell).float()
            _check(images, (len(classes), *data.task.shape), spec)
            written = torch.from_numpy(write(images.cpu().numpy()))
            if start < _COLUMNS * len(data.task.classes):
                shown.append(written)
            if judge is not None:
                judge.see(written)
    figures = {} if judge is None else judge.figures(labels.cpu(), opened(*where, "test")[1], watch)

    report = GenerationReport(path, request.folder / PICTURE, request.folder / CARD, figures)
    _picture(torch.cat(shown), request.images, data.task, report.picture)
    card = {
        "defense": {"name": spec.name, "settings": spec.params, "version": spec.version, "weights": spec.weights},
        "command": request.command,
        "dataset": request.dataset,
        "images": request.images,
        "pixels": request.pixels,
        "steps": request.steps,
        "seed": request.seed,
        "judge": request.judge,
        "figures": figures,
        "sha256": sha256_of(path),
        "environment": environment(request.device),
    }
    report.card.write_text(json.dumps(card, indent=2) + "\n")
    return report


def frechet(first: Tensor, second: Tensor) -> float:
    """Squared Frechet distance between two sets of features (N, d), each as a Gaussian.

    |m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)) (Dowson and Landau 1982; Heusel et al. 2017, 1706.08500, eq. 6). By the
    eigenvalues of symmetric matrices, for scipy's `sqrtm` of the product may come out complex.
    """
    import torch

    first, second = first.double().cpu(), second.double().cpu()
    apart = (first.mean(0) - second.mean(0)).square().sum()
    one, two = torch.cov(first.T), torch.cov(second.T)
    values, vectors = torch.linalg.eigh(one)
    root = (vectors * values.clamp_min(0).sqrt()) @ vectors.T
    common = torch.linalg.eigvalsh(root @ two @ root).clamp_min(0).sqrt().sum()
    return max(0.0, float(apart + one.trace() + two.trace() - 2 * common))


def _check(images: Tensor, shape: tuple[int, ...], spec: Spec) -> None:
    if images.shape != shape:
        raise PluginError(f"{spec.name} drew images {tuple(images.shape)}; {shape} was expected.")
    if not bool(((images >= 0) & (images <= 1)).all()):  # false for what is not finite, too
        raise PluginError(f"{spec.name} drew images with pixels outside [0, 1].")


class _Judge:
    """A defense that looks at images as they are drawn, and then says how good they are."""

    def __init__(self, name: str, data: ImageSet, device: str) -> None:
        self._name, self._data, self._device = name, data, device
        self._spec = defenses.spec(name, defenses.make(name, {}), data.task)
        with exact(device), blame(self._spec.name):
            self._classifier = load_defense(self._spec, data.task, device)
        self._rng = self._stream()
        self._found: list[Tensor] = []

    def see(self, images: Tensor) -> None:
        """Classify the next images."""
        self._found.append(self._logits(images, self._rng))

    def figures(self, labels: Tensor, test: ImageSet, watch: Watch) -> dict[str, float]:
        """Its accuracy under their labels; how far its logits lie from those on training images, as a Frechet
        distance, beside that of the test images, which no sampler should be expected to beat."""
        import torch

        watch(len(labels), len(labels), f"judged by {self._name}")
        found = torch.cat(self._found)
        real, unseen = (self._of(some) for some in (self._data, test))
        return {
            f"accuracy_of_{self._name}": float((found.argmax(1) == labels).double().mean()),
            f"frechet_distance_in_logits_of_{self._name}": frechet(found, real),
            "same_distance_of_the_test_images": frechet(unseen, real),
        }

    def _of(self, data: ImageSet) -> Tensor:
        import torch

        rng, indices = self._stream(), range(min(len(data), MOST_REAL))
        pieces = (data.read(indices[start : start + PIECE]) for start in range(0, len(indices), PIECE))
        return torch.cat([self._logits(piece.images, rng) for piece in pieces])

    def _logits(self, images: Tensor, rng: Generator) -> Tensor:
        import torch

        def answer(part: Tensor) -> Tensor:
            return fitting(self._classifier, lambda: ask(self._classifier, part.to(self._device), rng).detach().cpu())

        with exact(self._device), blame(self._spec.name):
            return torch.cat([answer(part) for part in images.split(_BATCH)])

    def _stream(self) -> Generator:
        import torch

        return torch.Generator(self._device).manual_seed(0)


def _picture(images: Tensor, count: int, task: Task, path: Path) -> None:
    """A contact sheet: a row a class, enlarged without smoothing, with a line between neighbours."""
    import numpy as np
    from PIL import Image

    classes, (channels, height, width) = len(task.classes), task.shape
    columns, scale = min(_COLUMNS, -(-count // classes)), max(1, _SIDE // height)
    high, wide = height * scale + 1, width * scale + 1
    sheet = np.full((classes * high - 1, columns * wide - 1, channels), 0.5, dtype=np.float32)
    for number, image in enumerate(images[: classes * columns].numpy()):
        column, row = divmod(number, classes)
        enlarged = image.transpose(1, 2, 0).repeat(scale, 0).repeat(scale, 1)
        sheet[row * high :, column * wide :][: height * scale, : width * scale] = enlarged
    pixels = (sheet * 255).round().astype(np.uint8)
    Image.fromarray(pixels[..., 0] if channels == 1 else pixels).save(path)
