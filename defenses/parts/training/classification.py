"""How plain nets learn to classify."""

from __future__ import annotations

import torch
from torch import Generator, Tensor
from torch.nn import functional
from torch.optim import AdamW, Optimizer

from bench import Network, Trained, Training
from defenses.parts.networks import families
from defenses.parts.randomness import ambient, stream
from defenses.parts.training.augmentation import augment
from defenses.parts.training.loop import Course, finish, fit, sgd, shuffled
from defenses.parts.training.recipes import ClassifierRecipe
from defenses.parts.weights import starts

MEASURED_AT_ONCE = 128
"""Images that go through a trained network at once: no more than in a step of the training, which needs more memory."""


def learn(run: Training, recipe: ClassifierRecipe, name: str, kind: str) -> Trained:
    """Train a network of a family, from scratch or from the weights that the recipe starts from, by cross-entropy.

    It sees normalised, augmented images; its weights are written as NAME.safetensors.
    """
    family = families.family(kind)
    normalisation = family.normalisation(run.task)
    start = starts.find(kind, recipe.start, run.task)
    with ambient(run.seed):
        module = family.fresh(run.task) if start is None else family.started(start.path, run.task)
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
    if recipe.optimizer == "adamw":
        optimizer: Optimizer = AdamW(module.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay)
    else:
        optimizer = sgd(module, recipe)
    learned = fit(run, name, module, optimizer, course, loss, identity)
    weights = family.store(learned.module, run.folder / f"{name}.safetensors")
    finish(run, name)

    def measure() -> dict[str, float]:
        network = Network(learned.module, *normalisation)
        return {"train_accuracy": accuracy(network, data.images, data.labels)}

    return Trained(weights, {"loss": learned.loss, "seconds": learned.seconds}, measure, starts.sources(start))


@torch.no_grad()
def accuracy(network: Network, images: Tensor, labels: Tensor) -> float:
    """Share of the images that are classified correctly."""
    rng = stream(0, "accuracy")
    predicted = torch.cat([network(part, rng).argmax(1) for part in torch.split(images, MEASURED_AT_ONCE)])
    return float((predicted == labels).double().mean())


def _channels(values: tuple[float, ...], device: str) -> Tensor:
    return torch.tensor(values, device=device).view(1, -1, 1, 1)
