"""The inner attack of adversarial training: projected gradient ascent within linf."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional

from defenses.parts.training.recipes import Budget

Logits = Callable[[Tensor], Tensor]


def ascend(height: Callable[[Tensor], Tensor], images: Tensor, budget: Budget, rng: Generator) -> Tensor:
    """Images within `budget` and [0, 1] that make `height` (a scalar, summed over images) large.

    PGD (Madry et al. 2018, 1706.06083): uniform random start, steps along the gradient's sign, the last iterate.
    `rng` lives on the CPU.
    """
    epsilon, step = float(budget.epsilon), float(budget.step)
    lowest, highest = (images - epsilon).clamp_min(0), (images + epsilon).clamp_max(1)
    start = (torch.rand(images.shape, generator=rng) * 2 - 1).to(images)
    perturbed = (images + epsilon * start).clamp(lowest, highest)
    for _ in range(budget.steps):
        leaf = perturbed.requires_grad_(True)
        with torch.enable_grad():
            (slope,) = torch.autograd.grad(height(leaf), leaf)
        perturbed = (leaf.detach() + step * slope.sign()).clamp(lowest, highest)
    return perturbed.detach()


def misleading(logits: Logits, images: Tensor, labels: Tensor, budget: Budget, rng: Generator) -> Tensor:
    """Images within `budget` of large cross-entropy under their labels."""
    return ascend(
        lambda perturbed: functional.cross_entropy(logits(perturbed).float(), labels, reduction="sum"),
        images,
        budget,
        rng,
    )


def diverging(logits: Logits, images: Tensor, budget: Budget, rng: Generator) -> Tensor:
    """Images within `budget` whose predicted distribution is far (in KL) from that of the clean images."""
    with torch.no_grad():
        target = logits(images).float().softmax(1)
    return ascend(lambda perturbed: divergence(logits(perturbed).float(), target, "sum"), images, budget, rng)


def divergence(logits: Tensor, target: Tensor, reduction: str = "batchmean") -> Tensor:
    """Kullback-Leibler divergence of softmax(`logits`) from the distributions `target` (N, K)."""
    return functional.kl_div(logits.log_softmax(1), target, reduction=reduction)


def robust_accuracy(logits: Logits, images: Tensor, labels: Tensor, budget: Budget, rng: Generator) -> float:
    """Share of images that PGD within `budget` does not get misclassified."""
    correct = 0
    for part, truth in zip(images.split(512), labels.split(512), strict=True):
        perturbed = misleading(logits, part, truth, budget, rng)
        with torch.no_grad():
            correct += int((logits(perturbed).argmax(1) == truth).sum())
    return correct / len(images)


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """A scope in which a network is in evaluation mode, as an attacker meets it: its statistics stand still."""
    training = module.training
    module.eval()
    try:
        yield
    finally:
        module.train(training)
