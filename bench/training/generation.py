"""Draws images of every class from a generative defense, judges them, and writes them with a picture and a card."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.domain.blame import blame
from bench.domain.dataset import ImageSet, Task
from bench.domain.defense import Generative, Watch
from bench.domain.errors import PluginError, UsageError
from bench.domain.plan import Spec
from bench.domain.victim import ask
from bench.loading.classifiers import load_defense
from bench.loading.determinism import exact, seeded
from bench.loading.environment import environment
from bench.loading.images import open_images
from bench.registry import datasets, defenses

if TYPE_CHECKING:
    from torch import Tensor

IMAGES, PICTURE, CARD = "images.safetensors", "samples.png", "card.json"
MOST_REAL = 10_000
"""Real images, from the first, that generated ones are compared with."""
_BATCH = 256
_COLUMNS, _SIDE = 16, 48


@dataclass(frozen=True)
class GenerationRequest:
    """What a person asked `bench generate` for; `judge` is the defense that looks at the images (None: nobody)."""

    defense: str
    folder: Path
    command: str
    images: int = 1000
    steps: int = 18
    seed: int = 0
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

    Raises `UsageError` for a defense that draws no images, `PluginError` for images that are none.
    """
    import torch
    from safetensors.torch import save

    defense = defenses.make(request.defense, request.defense_settings)
    if not isinstance(defense, Generative):
        raise UsageError(f"{request.defense} cannot draw images: it is not a bench.Generative.")
    if request.images < 1:
        raise UsageError(f"At least one image is needed; got {request.images}.")
    dataset = datasets.spec(request.dataset, datasets.make(request.dataset, request.dataset_settings))
    data = open_images(dataset, request.data_dir, "train")
    spec = defenses.spec(request.defense, defense, data.task)
    labels = torch.arange(request.images, device=request.device) % len(data.task.classes)
    rng = torch.Generator(request.device).manual_seed(request.seed)
    with exact(request.device), seeded(rng, request.device), blame(spec.name):
        images = defense.sample(data.task, request.device, labels, request.steps, rng, watch).float()
    _check(images, (request.images, *data.task.shape), spec)
    figures = {} if request.judge is None else _judged(request, request.judge, images, labels, data, watch)

    request.folder.mkdir(parents=True, exist_ok=True)
    content = save({"images": images.cpu().contiguous(), "labels": labels.cpu()})
    report = GenerationReport(request.folder / IMAGES, request.folder / PICTURE, request.folder / CARD, figures)
    report.images.write_bytes(content)
    _picture(images.cpu(), data.task, report.picture)
    card = {
        "defense": {"name": spec.name, "settings": spec.params, "version": spec.version, "weights": spec.weights},
        "command": request.command,
        "dataset": request.dataset,
        "images": request.images,
        "steps": request.steps,
        "seed": request.seed,
        "judge": request.judge,
        "figures": figures,
        "sha256": hashlib.sha256(content).hexdigest(),
        "environment": environment(request.device),
    }
    report.card.write_text(json.dumps(card, indent=2) + "\n")
    return report


def frechet(first: Tensor, second: Tensor) -> float:
    """Squared Frechet distance between two sets of features (N, d), each as a Gaussian.

    |m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)) (Dowson and Landau 1982; Heusel et al. 2017, 1706.08500, eq. 6).
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


def _judged(
    request: GenerationRequest, judge: str, images: Tensor, labels: Tensor, data: ImageSet, watch: Watch
) -> dict[str, float]:
    """How the judge sees the images: its accuracy under their labels; how far its logits lie from those on training
    images, as a Frechet distance, beside that of the test images, which no sampler should be expected to beat."""
    dataset = datasets.spec(request.dataset, datasets.make(request.dataset, request.dataset_settings))
    test = open_images(dataset, request.data_dir, "test")
    spec = defenses.spec(judge, defenses.make(judge, {}), data.task)
    watch(request.images, request.images, f"judged by {judge}")
    with exact(request.device), blame(spec.name):
        classifier = load_defense(spec, data.task, request.device)

        def logits(of: Tensor) -> Tensor:
            import torch

            rng = torch.Generator(request.device).manual_seed(0)
            return torch.cat([ask(classifier, part.to(request.device), rng).detach() for part in of.split(_BATCH)])

        found = logits(images)
        real, unseen = (logits(some.read(range(min(len(some), MOST_REAL))).images) for some in (data, test))
    return {
        f"accuracy_of_{judge}": float((found.argmax(1) == labels).double().mean()),
        f"frechet_distance_in_logits_of_{judge}": frechet(found, real),
        "same_distance_of_the_test_images": frechet(unseen, real),
    }


def _picture(images: Tensor, task: Task, path: Path) -> None:
    """A contact sheet: a row a class, enlarged without smoothing, with a line between neighbours."""
    import numpy as np
    from PIL import Image

    classes, (channels, height, width) = len(task.classes), task.shape
    columns, scale = min(_COLUMNS, -(-len(images) // classes)), max(1, _SIDE // height)
    high, wide = height * scale + 1, width * scale + 1
    sheet = np.full((classes * high - 1, columns * wide - 1, channels), 0.5, dtype=np.float32)
    for number, image in enumerate(images[: classes * columns].numpy()):
        column, row = divmod(number, classes)
        enlarged = image.transpose(1, 2, 0).repeat(scale, 0).repeat(scale, 1)
        sheet[row * high :, column * wide :][: height * scale, : width * scale] = enlarged
    pixels = (sheet * 255).round().astype(np.uint8)
    Image.fromarray(pixels[..., 0] if channels == 1 else pixels).save(path)
