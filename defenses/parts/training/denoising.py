"""How a denoiser in pixel space learns: predict the noise at one random timestep of every image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Generator, Tensor
from torch.nn import functional

from bench import Task, Trained, Training
from defenses.parts.diffusion import pixels
from defenses.parts.diffusion.denoiser import Denoiser
from defenses.parts.images import is_tiny
from defenses.parts.randomness import ambient
from defenses.parts.training.augmentation import Augmentation, augment
from defenses.parts.training.training import Course, at_least_one, finish, fit, shuffled


@dataclass(frozen=True)
class DenoiserRecipe:
    """Hyperparameters of a denoiser's training (AdamW, warm-up, cosine)."""

    steps: int
    batch: int
    learning_rate: float
    weight_decay: float
    warmup: int
    averaging: float
    clip: float
    augmentation: Augmentation
    strength: float
    precision: Literal["float32", "bfloat16"] = "float32"

    def __post_init__(self) -> None:
        at_least_one(steps=self.steps, batch=self.batch)


DIGITS = DenoiserRecipe(2000, 128, 3e-3, 1e-4, 100, 0.998, 1.0, "affine", 0.5)
CIFAR = DenoiserRecipe(200_000, 128, 2e-4, 1e-4, 1000, 0.9999, 1.0, "flip", 1.0)


def recipe_for(task: Task) -> DenoiserRecipe:
    """Minutes for tiny images; for photographs what DDPM's authors used, shortened to 200,000 steps."""
    return DIGITS if is_tiny(task) else CIFAR


def learn(run: Training, recipe: DenoiserRecipe, name: str, conditional: bool = True) -> Trained:
    """Train a pixel denoiser from scratch and write it as NAME.safetensors."""
    data = run.data.read(range(len(run.data))).to(run.device)
    with ambient(run.seed):
        network = pixels.build(run.task, conditional)
    network = network.to(run.device)
    path = run.folder / f"{name}.safetensors"
    denoiser = pixels.PixelDenoiser(network, pixels.SCHEDULE, path, conditional)
    optimizer = torch.optim.AdamW(network.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay)
    course = Course(
        recipe.steps, recipe.warmup, averaging=recipe.averaging, clip=recipe.clip, precision=recipe.precision
    )

    def loss(step: int, rng: Generator) -> Tensor:
        chosen = shuffled(len(data), recipe.batch, run.seed, step).to(run.device)
        images = augment(data.images[chosen], recipe.augmentation, recipe.strength, rng)
        return noise_loss(denoiser, denoiser.sample(images, rng), data.labels[chosen], rng)

    learned = fit(run, name, network, optimizer, course, loss, recipe)
    pixels.store(learned.module, path)
    finish(run, name)
    return Trained(path, {"loss": learned.loss, "seconds": learned.seconds})


def noise_loss(denoiser: Denoiser, codes: Tensor, classes: Tensor, rng: Generator) -> Tensor:
    """Mean squared error of the predicted noise, each code at one random timestep (Ho et al. 2020, eq. 14)."""
    steps = torch.randint(0, len(denoiser.schedule), (len(codes),), generator=rng).to(codes.device)
    noise = torch.randn(codes.shape, generator=rng).to(codes)
    noisy, signal = denoiser.noised(codes, noise, steps)
    return functional.mse_loss(denoiser.noise(noisy, steps, classes, signal).float(), noise.float())
