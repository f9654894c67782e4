"""How standard nets learn on their own adversarial images, and when they stop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal

import torch
from torch import Generator, Tensor, nn

from bench import Trained, Training
from defenses.parts.randomness import stream
from defenses.parts.training import robust_nets
from defenses.parts.training.adversarial import Budget, evaluating, robust_accuracy
from defenses.parts.training.augmentation import Augmentation, augment
from defenses.parts.training.settling import Settling, split
from defenses.parts.training.stored import StoredImages
from defenses.parts.training.training import Course, at_least_one, finish, fit, shuffled
from defenses.parts.weights import starts

Loss = Callable[[nn.Module, Tensor, Tensor, Generator], Tensor]


@dataclass(frozen=True)
class RobustRecipe:
    """Hyperparameters of adversarial training: SGD (Nesterov 0.9) with a cosine, and its inner attack in linf.

    `epsilon` and `step_size` are exact and in pixel units. Every `every` epochs robust accuracy is measured on the
    share `held_out` of the training images, against twice the steps, and once more at the end; without a better one for
    `patience` measurements (0: however many) the training ends. The best weights are kept. `start` are weights to go on
    from: 'pretrained', 'packaged', a file, a folder or a hub id.
    """

    epochs: int
    batch: int
    learning_rate: float
    weight_decay: float
    averaging: float
    augmentation: Augmentation
    epsilon: Fraction
    step_size: Fraction
    steps: int = 10
    label_smoothing: float = 0.0
    warmup: int = 0
    held_out: float = 0.02
    every: int = 1
    patience: int = 0
    clip: float = 0.0
    precision: Literal["float32", "bfloat16"] = "float32"
    start: str | None = None

    def __post_init__(self) -> None:
        at_least_one(epochs=self.epochs, batch=self.batch, steps=self.steps, every=self.every)

    @property
    def budget(self) -> Budget:
        """That of the inner attack."""
        return Budget(self.epsilon, self.step_size, self.steps)


@dataclass(frozen=True)
class Extra:
    """Images to learn from besides the training images, and the share of every batch that they fill."""

    images: StoredImages
    share: float
    origin: str


def learn(
    run: Training, recipe: RobustRecipe, name: str, network: robust_nets.Name, loss: Loss, extra: Extra | None = None
) -> Trained:
    """Train a fresh network by `loss(module, images, labels, rng)` and write its best weights as NAME.safetensors.

    An epoch is as many images as are not held out, generated ones included (Gowal et al. 2021, 2110.09468).
    """
    data = run.data.read(range(len(run.data))).to(run.device)
    kept, held = (part.to(run.device) for part in split(len(data), recipe.held_out, run.seed))
    start = starts.find(network, recipe.start, run.task)
    module = robust_nets.build(network, run.task, run.seed, None if start is None else start.path).to(run.device)
    optimizer = torch.optim.SGD(
        module.parameters(), recipe.learning_rate, momentum=0.9, nesterov=True, weight_decay=recipe.weight_decay
    )
    batch = min(recipe.batch, len(kept))
    generated = 0 if extra is None else round(batch * extra.share)
    an_epoch = len(kept) // batch
    course = Course(
        recipe.epochs * an_epoch,
        recipe.warmup,
        averaging=recipe.averaging,
        clip=recipe.clip,
        precision=recipe.precision,
    )

    def batch_loss(step: int, rng: Generator) -> Tensor:
        images, labels = [], []
        if generated < batch:
            chosen = kept[shuffled(len(kept), batch - generated, run.seed, step).to(run.device)]
            images, labels = [data.images[chosen]], [data.labels[chosen]]
        if extra is not None and generated:
            drawn = torch.randint(len(extra.images), (generated,), generator=rng)
            images.append(extra.images.take(drawn).to(run.device))
            labels.append(extra.images.labels[drawn].to(run.device))
        changed = augment(torch.cat(images), recipe.augmentation, 1.0, rng).clamp(0, 1)
        return loss(module, changed, torch.cat(labels), rng)

    def measure(average: nn.Module) -> float:
        stronger = replace(recipe.budget, steps=2 * recipe.steps)
        with evaluating(average):
            rng = stream(run.seed, "settling")
            return robust_accuracy(average, data.images[held], data.labels[held], stronger, rng)

    def watch(done: float, total: float, note: str = "") -> None:
        run.watch(done, total, f"{note}, {settling.note}" if settling.note else note)

    best = run.folder / f"{name}.best.safetensors"
    settling = Settling(best, measure, robust_nets.store, recipe.every * an_epoch, recipe.patience, course.steps)
    sources = starts.sources(start) | ({} if extra is None else {"generated": extra.origin})
    identity = (network, recipe, sources)
    learned = fit(replace(run, watch=watch), name, module, optimizer, course, batch_loss, identity, settled=settling)
    weights = settling.give(run.folder / f"{name}.safetensors", learned.module)
    finish(run, name)  # before the record goes: a checkpoint must not outlive it
    settling.forget()
    return Trained(
        weights,
        {
            "loss": learned.loss,
            "held_out_robust_accuracy": settling.highest,
            "epoch": settling.top / an_epoch,
            "seconds": learned.seconds,
        },
        sources=sources,
    )
