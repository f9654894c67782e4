"""How standard nets learn to classify: the recipe's settings and the loss."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional

from bench import Network, Trained, Training
from defenses.parts.randomness import stream
from defenses.parts.training.augmentation import Augmentation, augment
from defenses.parts.training.training import Course, at_least_one, finish, fit, shuffled
from defenses.parts.weights.checkpoints import save
from defenses.parts.weights.starts import Start, sources


@dataclass(frozen=True)
class ClassifierRecipe:
    """Hyperparameters of a standard net's training; `optimizer` is 'sgd' (Nesterov) or 'adamw'.

    `noise` is the deviation of Gaussian noise on the augmented images, in pixels of [0, 1]. `start` are weights to go
    on from, those of timm, torchvision or transformers: 'pretrained', 'packaged', a file, a folder or a hub id.
    """

    epochs: int
    batch: int
    optimizer: Literal["sgd", "adamw"]
    learning_rate: float
    weight_decay: float
    warmup: int
    label_smoothing: float
    averaging: float
    augmentation: Augmentation
    clip: float = 0.0
    precision: Literal["float32", "bfloat16"] = "float32"
    noise: float = 0.0
    start: str | None = None

    def __post_init__(self) -> None:
        at_least_one(epochs=self.epochs, batch=self.batch)


DIGITS = ClassifierRecipe(100, 64, "sgd", 0.1, 5e-4, 0, 0.1, 0.998, "affine")
CIFAR = ClassifierRecipe(200, 128, "sgd", 0.1, 5e-4, 0, 0.0, 0.0, "crop-flip")
MEASURED_AT_ONCE = 128
"""Images that go through a trained network at once: no more than in a step of the training, which needs more memory."""


def store_state(module: nn.Module, path: Path) -> Path:
    """Write a module's parameters and buffers."""
    return save(path, module.state_dict())


def learn(
    run: Training,
    recipe: ClassifierRecipe,
    name: str,
    module: nn.Module,
    normalisation: tuple[tuple[float, ...] | None, tuple[float, ...] | None],
    store: Callable[[Any, Path], Path] = store_state,
    start: Start | None = None,
) -> Trained:
    """Train `module` on normalised, augmented images by cross-entropy and write its weights as NAME.safetensors."""
    data = run.data.read(range(len(run.data))).to(run.device)
    module = module.to(run.device)
    mean, std = (None if values is None else _channels(values, run.device) for values in normalisation)
    course = Course(
        steps=recipe.epochs * (len(data) // min(recipe.batch, len(data))),
        warmup=recipe.warmup,
        averaging=recipe.averaging,
        clip=recipe.clip,
        precision=recipe.precision,
    )

    def loss(step: int, rng: Generator) -> Tensor:
        chosen = shuffled(len(data), recipe.batch, run.seed, step).to(run.device)
        images = augment(data.images[chosen], recipe.augmentation, 1.0, rng)
        if recipe.noise:
            images = images + recipe.noise * torch.randn(images.shape, generator=rng).to(images)
        images = images if mean is None else images - mean
        images = images if std is None else images / std
        logits = module(images).float()
        return functional.cross_entropy(logits, data.labels[chosen], label_smoothing=recipe.label_smoothing)

    identity = recipe if start is None else (recipe, start.sha256)
    learned = fit(run, name, module, _optimizer(module, recipe), course, loss, identity)
    weights = store(learned.module, run.folder / f"{name}.safetensors")
    finish(run, name)

    def measure() -> dict[str, float]:
        network = Network(learned.module, *normalisation)
        return {"train_accuracy": accuracy(network, data.images, data.labels)}

    return Trained(weights, {"loss": learned.loss, "seconds": learned.seconds}, measure, sources(start))


def _optimizer(module: nn.Module, recipe: ClassifierRecipe) -> torch.optim.Optimizer:
    if recipe.optimizer == "adamw":
        return torch.optim.AdamW(module.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay)
    return torch.optim.SGD(
        module.parameters(), recipe.learning_rate, momentum=0.9, nesterov=True, weight_decay=recipe.weight_decay
    )


@torch.no_grad()
def accuracy(network: Network, images: Tensor, labels: Tensor) -> float:
    """Share of the images that are classified correctly."""
    rng = stream(0, "accuracy")
    predicted = torch.cat([network(part, rng).argmax(1) for part in torch.split(images, MEASURED_AT_ONCE)])
    return float((predicted == labels).double().mean())


def _channels(values: tuple[float, ...], device: str) -> Tensor:
    return torch.tensor(values, device=device).view(1, -1, 1, 1)
