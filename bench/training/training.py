"""Trains a defense on a data set, writes its weights with a card, and then measures it on the test images."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.domain.blame import blame
from bench.domain.dataset import ImageSet, choose
from bench.domain.defense import Watch
from bench.domain.errors import PluginError, UsageError
from bench.domain.plan import Spec
from bench.domain.queries.asking import ask
from bench.domain.trainable import Trainable, Training
from bench.loading.determinism import exact
from bench.loading.environment import environment
from bench.plugins.registry import defenses
from bench.plugins.settings import override, spell_out
from bench.training.crafting import AdversarialImages, Perturbing
from bench.training.folders import make_folder
from bench.training.memory import fitting
from bench.training.reading import kept, opened
from bench.training.streams import stream

EVALUATED = 1024
"""Test images that are classified at the end, of however many."""
EVALUATED_SEED = 2024
"""The draw of these images is that of the protocols."""
_BATCH = 256


@dataclass(frozen=True)
class TrainingRequest:
    """What a person asked `bench train` for; `adversarial` makes the adversarial images where a recipe asks for any,
    and `evaluate` test images are classified at the end (0: none)."""

    defense: str
    adversarial: Perturbing
    folder: Path
    command: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    defense_settings: Mapping[str, Any] = field(default_factory=dict)
    dataset: str = "digits"
    dataset_settings: Mapping[str, Any] = field(default_factory=dict)
    data_dir: Path | None = None
    seed: int = 0
    device: str = "cpu"
    evaluate: int = EVALUATED


@dataclass(frozen=True)
class TrainingReport:
    """What came out: where the weights and the card are, the test accuracy (None: not measured) and on how many
    images, and the training's own figures."""

    weights: Path
    card: Path
    accuracy: float | None
    evaluated: int
    metrics: Mapping[str, float]


def train(request: TrainingRequest, watch: Watch) -> TrainingReport:
    """Train, or go on where an interrupted run of the same folder stopped.

    Weights and card are on disk before anything is measured, and the card again with what was. Raises `UsageError` for
    a defense that has nothing to train and for settings its recipe does not have.
    """
    if request.evaluate < 0:
        raise UsageError(f"The number of test images to evaluate must be 0 or more; got {request.evaluate}.")
    defense, recipe, dataset, data = prepare(request)
    perturbing = request.adversarial.document()
    make_folder(request.folder)
    started = time.monotonic()

    watch(0, 1, "reading the training images")
    images = data.fingerprint(range(len(data)))
    origin = {**perturbing, "data": images, "seed": request.seed}
    label = hashlib.sha256(repr(origin).encode()).hexdigest()
    adversarial = AdversarialImages(
        request.adversarial, data, origin, request.seed, request.device, request.folder, watch
    )
    run = Training(data.task, data, request.device, request.seed, request.folder, watch, adversarial, label)
    with exact(request.device), blame(request.defense):
        trained = defense.train(run, recipe)
    facts = {
        "defense": request.defense,
        "command": request.command,
        "settings": spell_out(defense),
        "recipe": spell_out(recipe),
        "sources": dict(trained.sources),
        "seed": request.seed,
        "data": {"name": dataset.name, "training_images": len(data), "sha256": images},
        "adversarial": {**perturbing, "images": len(adversarial.asked)} if adversarial.asked else None,
        "accuracy": None,
        "metrics": dict(trained.metrics),
        "sha256": hashlib.sha256(trained.weights.read_bytes()).hexdigest(),
        "seconds": round(time.monotonic() - started, 1),
        "environment": environment(request.device),
    }
    card = _written(trained.weights.with_suffix(".json"), facts)
    try:
        with exact(request.device), blame(request.defense):
            measured = {} if trained.measure is None else trained.measure()
        facts["metrics"] = metrics = {**trained.metrics, **measured}
        learned = override(defense, {"weights": str(trained.weights)}, type(defense).__name__)
        facts["accuracy"] = accuracy = _accuracy(learned, request, watch)
    except Exception as error:
        raise PluginError(
            f"The weights {trained.weights} and their card are written, but they could not be measured: {error}"
        ) from error
    _written(card, facts)
    clean, evaluated = (accuracy["clean"], int(accuracy["test_images"])) if accuracy else (None, 0)
    return TrainingReport(trained.weights, card, clean, evaluated, metrics)


def prepare(request: TrainingRequest) -> tuple[Trainable, Any, Spec, ImageSet]:
    """The defense that is to learn, its recipe, and the data set with its training images; raises what `train` does."""
    defense = defenses.make(request.defense, request.defense_settings)
    if not isinstance(defense, Trainable):
        raise UsageError(f"{request.defense} cannot be trained: it is not a bench.Trainable.")
    dataset, images = opened(request.dataset, request.dataset_settings, request.data_dir, "train")
    data = kept(images)
    return defense, _recipe(defense, request, data), dataset, data


def _recipe(defense: Trainable, request: TrainingRequest, data: ImageSet) -> Any:
    """The defaults, those of fine-tuning where there are weights to start from, with what the person replaces."""
    start = str(request.settings.get("start", "none")).lower()
    with blame(request.defense):
        defaults = defense.recipe(data.task) if start == "none" else defense.fine_tuning(data.task)
    return override(defaults, request.settings, f"The recipe of {request.defense}")


def _accuracy(defense: Trainable, request: TrainingRequest, watch: Watch) -> dict[str, float] | None:
    """Share of the test images that are classified correctly, and how many of them were looked at."""
    if not request.evaluate:
        return None
    _, test = opened(request.dataset, request.dataset_settings, request.data_dir, "test")
    every = request.evaluate >= len(test)
    chosen = range(len(test)) if every else choose(request.evaluate, len(test), EVALUATED_SEED, "random")
    correct = 0
    with exact(request.device), blame(request.defense):
        classifier = defense.load(test.task, request.device)
        for number, start in enumerate(range(0, len(chosen), _BATCH)):
            watch(start, len(chosen), "test images")
            batch = test.read(chosen[start : start + _BATCH]).to(request.device)

            def right(number: int = number, batch: Any = batch) -> int:
                rng = stream(request.seed, number, "clean", request.device)
                return int((ask(classifier, batch.images, rng).detach().argmax(1) == batch.labels).sum())

            correct += fitting(classifier, right)
    return {"clean": correct / len(chosen), "test_images": len(chosen)}


def _written(card: Path, facts: Mapping[str, Any]) -> Path:
    card.write_text(json.dumps(facts, indent=2) + "\n")
    return card
