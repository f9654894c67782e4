"""Truth Maximization: a denoiser learns that adversarial images belong to their true class."""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn

from bench import Trained, Training
from defenses.parts.diffusion import lora
from defenses.parts.diffusion.denoiser import Denoiser
from defenses.parts.randomness import ambient, stream
from defenses.parts.training.denoising import noise_loss
from defenses.parts.training.loop import Course, finish, fit, shuffled
from defenses.parts.training.recipes import TruthRecipe


def learn(run: Training, recipe: TruthRecipe, name: str, denoiser: Denoiser) -> Trained:
    """Adapt the denoiser to the run's adversarial images under their true classes, and write NAME.safetensors."""
    seen, places = _seen(len(run.data), recipe, run.seed)
    data = run.adversarial(seen.tolist()).to(run.device)
    with ambient(run.seed):
        trainable = nn.ParameterList(lora.adapt(denoiser.network, recipe.rank, recipe.alpha))
    optimizer = torch.optim.AdamW(
        trainable.parameters(),
        recipe.learning_rate,
        betas=(recipe.beta1, recipe.beta2),
        eps=recipe.epsilon,
        weight_decay=recipe.weight_decay,
    )
    course = Course(recipe.steps, recipe.warmup, "constant", clip=recipe.clip, precision=recipe.precision)

    def loss(step: int, rng: Generator) -> Tensor:
        chosen = places[step].to(run.device)
        with torch.no_grad(), torch.autocast(torch.device(run.device).type, enabled=False):
            codes = denoiser.sample(data.images[chosen], rng)
        return noise_loss(denoiser, codes, data.labels[chosen], rng)

    def keep(step: int) -> None:
        if recipe.keeps(step):
            lora.store(denoiser.network, recipe.rank, recipe.alpha, run.folder / f"step-{step:06d}.safetensors")

    keep(0)  # as it begins, which changes nothing yet
    learned = fit(run, name, trainable, optimizer, course, loss, recipe, keep)
    weights = run.folder / f"{name}.safetensors"
    evaluated = run.folder / f"step-{recipe.evaluated:06d}.safetensors"
    if not evaluated.is_file():  # the training was ended before
        lora.store(denoiser.network, recipe.rank, recipe.alpha, evaluated)
    weights.write_bytes(evaluated.read_bytes())
    finish(run, name)
    parameters = float(sum(parameter.numel() for parameter in trainable))
    return Trained(weights, {"loss": learned.loss, "parameters": parameters, "seconds": learned.seconds})


def _seen(size: int, recipe: TruthRecipe, seed: int) -> tuple[Tensor, list[Tensor]]:
    """The training images that some step sees, sorted, and where each step's batch lies among them."""
    pool = torch.arange(size)
    if recipe.share < 1:
        most = max(1, round(size * recipe.share))
        pool = torch.randperm(size, generator=stream(seed, "share"))[:most].sort().values
    batches = [pool[shuffled(len(pool), recipe.batch, seed, step)] for step in range(recipe.steps)]
    seen = torch.cat(batches).unique()
    return seen, [torch.searchsorted(seen, batch) for batch in batches]
