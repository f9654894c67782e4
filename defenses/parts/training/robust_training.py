"""How standard nets learn on their own adversarial images, and when they stop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Generator, Tensor, nn

from bench import Trained, Training
from defenses.parts.images import Normalisation
from defenses.parts.networks import families
from defenses.parts.randomness import ambient, stream
from defenses.parts.training.adversarial import evaluating, robust_accuracy
from defenses.parts.training.augmentation import augment
from defenses.parts.training.loop import Course, finish, fit, sgd, shuffled
from defenses.parts.training.recipes import RobustRecipe
from defenses.parts.training.settling import Settling, split
from defenses.parts.training.stored import StoredImages
from defenses.parts.weights import starts

Loss = Callable[[nn.Module, Tensor, Tensor, Generator], Tensor]


@dataclass(frozen=True)
class Extra:
    """Images to learn from besides the training images, and the share of every batch that they fill."""

    images: StoredImages
    share: float
    origin: str


class Normalised(nn.Module):
    """A network with its images' normalisation before it; what is stored is the network alone."""

    def __init__(self, network: nn.Module, normalisation: Normalisation) -> None:
        super().__init__()
        self.network = network
        mean, std = normalisation
        self.mean = nn.Buffer(torch.tensor(mean or 0.0).view(-1, 1, 1), persistent=False)
        self.std = nn.Buffer(torch.tensor(std or 1.0).view(-1, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (N, K) float32 of images (N, C, H, W) in [0, 1]."""
        logits: Tensor = self.network((images - self.mean) / self.std).float()
        return logits


def learn(
    run: Training, recipe: RobustRecipe, name: str, network: str, loss: Loss, extra: Extra | None = None
) -> Trained:
    """Train a fresh network by `loss(module, images, labels, rng)` and write its best weights as NAME.safetensors.

    An epoch is as many images as are not held out, generated ones included (Gowal et al. 2021, 2110.09468).
    """
    data = run.data.read(range(len(run.data))).to(run.device)
    kept, held = (part.to(run.device) for part in split(len(data), recipe.held_out, run.seed))
    start, family = starts.find(network, recipe.start, run.task), families.family(network)
    with ambient(run.seed):
        net = family.fresh(run.task) if start is None else family.started(start.path, run.task)
    module = Normalised(net, family.normalisation(run.task)).to(run.device)
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

    def store(module: nn.Module, path: Path) -> Path:
        return family.store(module.get_submodule("network"), path)

    def watch(done: float, total: float, note: str = "") -> None:
        run.watch(done, total, f"{note}, {settling.note}" if settling.note else note)

    best = run.folder / f"{name}.best.safetensors"
    settling = Settling(best, measure, store, recipe.every * an_epoch, recipe.patience, course.steps)
    sources = starts.sources(start) | ({} if extra is None else {"generated": extra.origin})
    identity = (network, recipe, sources)
    learned = fit(
        replace(run, watch=watch), name, module, sgd(module, recipe), course, batch_loss, identity, settled=settling
    )
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
