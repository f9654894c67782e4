"""Trains a defense on a data set, measures it on the test images, and writes its weights with a card."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.domain.attack import Attack
from bench.domain.blame import blame
from bench.domain.dataset import Batch, ImageSet
from bench.domain.defense import Classifier, Trainable, Training, Watch
from bench.domain.errors import UsageError
from bench.domain.plan import Spec
from bench.domain.threat import ThreatModel
from bench.domain.victim import Victim, ask
from bench.loading.classifiers import Shelf
from bench.loading.determinism import exact, seeded
from bench.loading.environment import environment
from bench.loading.images import open_images
from bench.registry import attacks, datasets, defenses
from bench.settings import override, spell_out
from bench.store.artifacts import Artifacts
from bench.training.streams import stream

if TYPE_CHECKING:
    from torch import Tensor

_BATCH = 256


@dataclass(frozen=True)
class TrainingRequest:
    """What a person asked `bench train` for; the attack, its source and epsilon make the adversarial images."""

    defense: str
    threat: ThreatModel
    attack: str
    source: str
    folder: Path
    command: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    defense_settings: Mapping[str, Any] = field(default_factory=dict)
    dataset: str = "digits"
    dataset_settings: Mapping[str, Any] = field(default_factory=dict)
    data_dir: Path | None = None
    seed: int = 0
    device: str = "cpu"


@dataclass(frozen=True)
class TrainingReport:
    """What came out: where the weights and the card are, the test accuracy, and the training's own figures."""

    weights: Path
    card: Path
    accuracy: float
    metrics: Mapping[str, float]


def train(request: TrainingRequest, watch: Watch) -> TrainingReport:
    """Train, or go on where an interrupted run of the same folder stopped.

    Raises `UsageError` for a defense that has nothing to train and for settings its recipe does not have.
    """
    defense = defenses.make(request.defense, request.defense_settings)
    if not isinstance(defense, Trainable):
        raise UsageError(f"{request.defense} cannot be trained: it is not a bench.Trainable.")
    dataset = datasets.spec(request.dataset, datasets.make(request.dataset, request.dataset_settings))
    data = open_images(dataset, request.data_dir, "train")
    recipe = override(defense.recipe(data.task), request.settings, f"The recipe of {request.defense}")
    request.folder.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()

    watch(0, 1, "reading the training images")
    images = data.fingerprint(range(len(data)))
    origin = _origin(request, images)
    crafted: dict[str, Any] = {}

    def adversarial() -> Batch:
        crafted.update({"attack": request.attack, "source": request.source, **request.threat.document()})
        return _adversarial(request, data, origin, watch)

    label = hashlib.sha256(repr(origin).encode()).hexdigest()
    run = Training(data.task, data, request.device, request.seed, request.folder, watch, adversarial, label)
    with exact(request.device), blame(request.defense):
        trained = defense.train(run, recipe)
    test = open_images(dataset, request.data_dir, "test")
    accuracy = _accuracy(replace_weights(defense, trained.weights), request, test, watch)
    card = trained.weights.with_suffix(".json")
    facts = {
        "defense": request.defense,
        "command": request.command,
        "settings": spell_out(defense),
        "recipe": spell_out(recipe),
        "seed": request.seed,
        "data": {"name": dataset.name, "training_images": len(data), "sha256": images},
        "adversarial": crafted or None,
        "accuracy": {"clean": accuracy, "test_images": len(test)},
        "metrics": dict(trained.metrics),
        "sha256": hashlib.sha256(trained.weights.read_bytes()).hexdigest(),
        "seconds": round(time.monotonic() - started, 1),
        "environment": environment(request.device),
    }
    card.write_text(json.dumps(facts, indent=2) + "\n")
    return TrainingReport(trained.weights, card, accuracy, trained.metrics)


def replace_weights(defense: Trainable, weights: Path) -> Trainable:
    """The defense with its `weights` setting pointing to what was just trained."""
    return override(defense, {"weights": str(weights)}, type(defense).__name__)


def _accuracy(defense: Trainable, request: TrainingRequest, test: ImageSet, watch: Watch) -> float:
    correct = 0
    with exact(request.device), blame(request.defense):
        classifier = defense.load(test.task, request.device)
        for number, start in enumerate(range(0, len(test), _BATCH)):
            watch(start, len(test), "test images")
            batch = test.read(range(start, min(start + _BATCH, len(test)))).to(request.device)
            rng = stream(request.seed, number, "clean", request.device)
            correct += int((ask(classifier, batch.images, rng).detach().argmax(1) == batch.labels).sum())
    return correct / len(test)


def _origin(request: TrainingRequest, images: str) -> dict[str, Any]:
    """What the training images are, and how they are perturbed where they are."""
    return {
        "attack": spell_out(attacks.make(request.attack, {})),
        "name": request.attack,
        "source": request.source,
        "threat": request.threat.document(),
        "data": images,
        "seed": request.seed,
    }


def _source(request: TrainingRequest, data: ImageSet) -> Spec:
    return defenses.spec(request.source, defenses.make(request.source, {}), data.task)


def _adversarial(request: TrainingRequest, data: ImageSet, origin: dict[str, Any], watch: Watch) -> Batch:
    """The whole training set as the attack perturbs it on the source, crafted once and kept in the run's folder."""
    import torch

    attack, source, shelf = attacks.make(request.attack, {}), _source(request, data), Shelf(request.device)
    artifacts, index = Artifacts(request.folder / "adversarial"), request.folder / "adversarial.json"
    wanted = {**origin, "source": [source.name, source.version, dict(source.weights)]}
    known = json.loads(index.read_text()) if index.is_file() else {}
    parts: list[str] = known.get("parts", []) if known.get("of") == wanted else []
    batches = []
    for number, start in enumerate(range(0, len(data), _BATCH)):
        batch = data.read(range(start, min(start + _BATCH, len(data))))
        watch(start, len(data), f"{request.attack} on {request.source}")
        if number >= len(parts) or not artifacts.holds(parts[number]):
            images = _perturb(request, shelf.classifier(source, data.task), attack, number, batch)
            parts[number:] = [artifacts.write(images.cpu().numpy())]
            index.write_text(json.dumps({"of": wanted, "parts": parts}))
        batches.append(replace(batch, images=torch.from_numpy(artifacts.read(parts[number]))))
    return Batch(
        tuple(range(len(data))),
        torch.cat([batch.images for batch in batches]),
        torch.cat([batch.labels for batch in batches]),
    )


def _perturb(request: TrainingRequest, source: Classifier, attack: Attack, number: int, batch: Batch) -> Tensor:
    device, batch = request.device, batch.to(request.device)
    rng = stream(request.seed, number, "attack", device)
    victim = Victim(source, stream(request.seed, number, "victim", device), name=request.source)
    given = Batch(batch.indices, batch.images.clone(), batch.labels.clone())
    with seeded(rng, device), blame(request.attack):
        images = attack.perturb(victim, given, request.threat, rng).images.detach()
    if not bool(request.threat.admits(batch.images, images).all()):
        raise UsageError(f"{request.attack} left the threat model {request.threat}; nothing was trained on its images.")
    return images
