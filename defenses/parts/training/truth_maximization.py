"""Truth Maximization: a denoiser learns that adversarial images belong to their true class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Generator, Tensor, nn

from bench import Task, Trained, Training, UsageError
from defenses.parts.diffusion import lora
from defenses.parts.diffusion.denoiser import Denoiser
from defenses.parts.images import is_tiny
from defenses.parts.randomness import ambient, stream
from defenses.parts.training.denoising import noise_loss
from defenses.parts.training.training import Course, at_least_one, finish, fit, shuffled


@dataclass(frozen=True)
class TruthRecipe:
    """Hyperparameters of Truth Maximization; `evaluated` is the step whose weights the defense takes.

    Checkpoints are kept of step 0, every `early_every` steps up to `early`, then every `late_every`, and at the end.
    Batches come from a random `share` of the training images; only those that some step sees are attacked.
    """

    steps: int
    batch: int
    learning_rate: float
    evaluated: int
    rank: int = 4
    alpha: float = 4.0
    beta1: float = 0.9
    beta2: float = 0.999
    weight_decay: float = 1e-2
    epsilon: float = 1e-8
    clip: float = 1.0
    warmup: int = 100
    early_every: int = 100
    early: int = 500
    late_every: int = 1000
    share: float = 1.0
    precision: Literal["float32", "bfloat16"] = "float32"

    def __post_init__(self) -> None:
        at_least_one(steps=self.steps, batch=self.batch, rank=self.rank, evaluated=self.evaluated)
        at_least_one(early_every=self.early_every, late_every=self.late_every)
        if not 0 < self.share <= 1:
            raise UsageError(f"The recipe's share must lie in (0, 1]; got {self.share}.")
        if self.evaluated > self.steps:
            raise UsageError(f"The recipe's evaluated step {self.evaluated} lies beyond its {self.steps} steps.")

    def keeps(self, step: int) -> bool:
        """Whether the weights after this step are kept."""
        regular = step % (self.early_every if step <= self.early else self.late_every) == 0
        return regular or step in (self.evaluated, self.steps)


PUBLISHED = TruthRecipe(steps=3000, batch=4, learning_rate=1e-6, evaluated=200, share=0.1)
"""The released code draws its batches from a random tenth of the training images."""
DIGITS = TruthRecipe(steps=500, batch=64, learning_rate=3e-4, evaluated=200)


def recipe_for(task: Task) -> TruthRecipe:
    """As published on photographs; faster on tiny images, whose denoiser is a thousandth of the size."""
    return DIGITS if is_tiny(task) else PUBLISHED


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
