"""How a denoiser in pixel space learns: predict the noise at one random timestep of every image."""

from __future__ import annotations

import torch
from torch import Generator, Tensor
from torch.nn import functional

from bench import Trained, Training
from defenses.parts.diffusion import pixels
from defenses.parts.diffusion.denoiser import Denoiser
from defenses.parts.randomness import ambient
from defenses.parts.training.augmentation import augment
from defenses.parts.training.loop import Course, finish, fit, shuffled
from defenses.parts.training.recipes import DenoiserRecipe


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
