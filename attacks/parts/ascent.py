"""The pieces of an attack along the gradient: where it starts, which way is up, and when a sample was first misled."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from attacks.parts.losses import Loss, cross_entropy
from bench import Victim

if TYPE_CHECKING:
    from torch import Generator, Tensor


def random_start(norm: str, images: Tensor, radius: float, rng: Generator) -> Tensor:
    """A random perturbation of the images' shape: uniform in linf; in l2 of uniform direction and uniform length, which
    favours the centre of the ball."""
    import torch

    if norm == "linf":
        return torch.empty_like(images).uniform_(-radius, radius, generator=rng)
    direction = torch.empty_like(images).normal_(generator=rng)
    norms = wide(direction.flatten(1).norm(dim=1))
    return direction * (torch.empty_like(norms).uniform_(0, 1, generator=rng) / norms * radius)


def steepest(norm: str, gradient: Tensor) -> Tensor:
    """The steepest ascent of length 1 in linf or l2."""
    if norm == "linf":
        return gradient.sign()
    # Scaled to a largest entry of 1 first: the squares of a confident classifier's gradient underflow.
    scaled = gradient / wide(gradient.flatten(1).abs().amax(1).clamp_min(1e-38))
    return scaled / wide(scaled.flatten(1).norm(dim=1).clamp_min(1e-12))


def turns(victim: Victim, draws: int) -> Iterator[int]:
    """A turn for each draw of the victim's noise: one keeps that of the prediction, several are fresh each (expectation
    over transformation; Athalye et al. 2018, 1707.07397)."""
    return victim.fresh(draws) if draws > 1 else iter(range(draws))


def drawn(victim: Victim, images: Tensor, draws: int) -> Iterator[Tensor]:
    """Logits (d, N, K) of images in such turns, as many draws at a time as the victim likes; differentiable where the
    images ask for a gradient."""
    import torch

    groups = -(-draws // victim.at_once(len(images)))
    sizes = [draws // groups + (number < draws % groups) for number in range(groups)]
    for size in sizes:
        with torch.set_grad_enabled(images.requires_grad):
            logits = victim.together(images, size) if draws > 1 else victim(images)[None]
        yield logits


def slope(victim: Victim, images: Tensor, labels: Tensor, loss: Loss) -> tuple[Tensor, Tensor, Tensor]:
    """Logits (N, K) of images, a loss (N,) of them, and the loss's gradient (N, C, H, W), from one pass each way."""
    import torch

    asked = images.detach().clone().requires_grad_()
    with torch.enable_grad():
        logits = victim(asked)
        losses = loss(logits, labels)
        (gradient,) = torch.autograd.grad(losses.sum(), asked)
    return logits.detach(), losses.detach(), gradient


def ascend(victim: Victim, images: Tensor, labels: Tensor, draws: int) -> tuple[Tensor, Tensor]:
    """The summed cross-entropy's gradient at `images`, averaged over `draws`, and which samples (N,) bool at least half
    of the draws misled."""
    import torch

    total, wrong = torch.zeros_like(images), torch.zeros_like(labels)
    asked = images.detach().clone().requires_grad_()
    for logits in drawn(victim, asked, draws):
        with torch.enable_grad():
            losses = cross_entropy(logits.flatten(0, 1), labels.repeat(len(logits)))
            total += torch.autograd.grad(losses.sum(), asked)[0]
        wrong += (logits.argmax(2) != labels).sum(0)
    return total / draws, 2 * wrong >= draws


def heights(victim: Victim, images: Tensor, labels: Tensor) -> Tensor:
    """Each sample's cross-entropy (N,); infinite where it is misclassified."""
    import torch

    with torch.no_grad():
        logits = victim(images)
        losses = cross_entropy(logits, labels)
        losses[logits.argmax(1) != labels] = torch.inf
    return losses


def never(labels: Tensor) -> Tensor:
    """What `Perturbed.broken_at` says of samples that were not seen misclassified: -1 for each."""
    import torch

    return torch.full_like(labels, -1, dtype=torch.int64)


def first_seen(broken_at: Tensor, misled: Tensor, iteration: int) -> Tensor:
    """`broken_at` with this iteration for the samples that were misled in it and in none before."""
    return broken_at.masked_fill((broken_at < 0) & misled, iteration)


def wide(values: Tensor) -> Tensor:
    """One value a sample (N,), for arithmetic with images: (N, 1, 1, 1)."""
    return values.view(-1, 1, 1, 1)
