"""The weights that a study asks for: trained once, and found again by what makes them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path
from typing import Any

from bench.domain.defense import Watch
from bench.domain.threat import ThreatModel
from bench.plugins.registry import attacks
from bench.protocols.studies import Adversarial, Study, StudyTraining, TrainedWeights
from bench.training.apart import train_apart
from bench.training.crafting import Perturbing
from bench.training.training import TrainingRequest

UNUSED = Adversarial("aa-linf", Fraction("0.05"), "resnet")
"""What a recipe that asks for no adversarial images is given."""


def place(training: StudyTraining, study: Study, folder: Path) -> Path:
    """The folder of a training's weights, named after it and by all that makes them, so that another study of the name
    does not meet them."""
    content = json.dumps([study.dataset, asdict(training)], sort_keys=True, default=str)
    return folder / f"{training.name}-{hashlib.sha256(content.encode()).hexdigest()[:8]}"


def given(settings: Mapping[str, Any], weights: Mapping[str, Path]) -> dict[str, Any]:
    """Settings with the paths of trained weights in their places; those that are not among `weights` are left out."""
    found = {}
    for name, value in settings.items():
        if not isinstance(value, TrainedWeights):
            found[name] = value
        elif value.training.name in weights:
            found[name] = str(weights[value.training.name])
    return found


def finished(folder: Path) -> Path | None:
    """The weights in a training's folder; None where it has not ended, for the card beside them is its last word."""
    cards = [path for path in sorted(folder.glob("*.json")) if path.with_suffix(".safetensors").is_file()]
    return cards[0].with_suffix(".safetensors") if cards else None


def make_weights(
    training: StudyTraining,
    study: Study,
    folder: Path,
    weights: Mapping[str, Path],
    device: str,
    watch: Watch,
    data_dir: Path | None = None,
) -> Path:
    """The weights of a training, made in a process of its own from nothing or from where it was interrupted; `weights`
    are those of earlier ones. Raises what `train` raises."""
    request = request_of(training, study, place(training, study, folder), weights, device, data_dir)
    return train_apart(request, watch).weights


def request_of(
    training: StudyTraining,
    study: Study,
    folder: Path,
    weights: Mapping[str, Path],
    device: str,
    data_dir: Path | None,
) -> TrainingRequest:
    """A study's training as a request, whose weights land in a folder; `weights` are those of earlier trainings."""
    made = training.adversarial or UNUSED
    threat = ThreatModel(attacks.find(made.attack).norm, made.epsilon)
    return TrainingRequest(
        defense=training.defense,
        adversarial=Perturbing(threat, made.attack, made.source, made.params, given(made.source_params, weights)),
        folder=folder,
        command=f"bench reproduce {study.name} --dataset {study.dataset}",
        settings=given(training.recipe, weights),
        defense_settings=given(training.params, weights),
        dataset=study.dataset,
        data_dir=data_dir,
        seed=training.seed,
        device=device,
        evaluate=0,
    )
