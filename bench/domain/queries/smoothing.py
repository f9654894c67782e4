"""Votes of a classifier under Gaussian noise: what a smoothed classifier predicts by, and what its proof counts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from bench.domain.queries.asking import ask
from bench.domain.queries.watching import tick

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from bench.domain.defense import Classifier


def count_votes(
    base: Classifier, images: Tensor, sigma: float, draws: int, rng: Generator, classes: int, rows: int
) -> Tensor:
    """How often (N, K) int64 `base` predicts each class in `draws` copies of every image (N, C, H, W) under Gaussian
    noise of deviation `sigma`; `rows` copies go through it at once.

    One noise is drawn for the whole batch a draw, so that the cut into rows changes none. No graph is kept.
    """
    import torch

    images = images.detach()
    kinds = torch.arange(classes, device=images.device)
    counts = torch.zeros(len(images), classes, dtype=torch.int64, device=images.device)
    done = 0
    for copies in _groups(images, sigma, draws, rng, rows):
        flat = copies.flatten(0, 1)
        votes = torch.cat([ask(base, part, rng).detach().argmax(1) for part in torch.split(flat, rows)])
        counts += (votes.view(copies.shape[:2])[:, :, None] == kinds).sum(0)
        done += len(copies)
        tick(done, draws, "noisy copies")
    return counts


def noisy(images: Tensor, sigma: float, rng: Generator) -> Tensor:
    """The images under fresh Gaussian noise, not clamped."""
    import torch

    return images + sigma * torch.randn(images.shape, generator=rng, device=rng.device).to(images)


def _groups(images: Tensor, sigma: float, draws: int, rng: Generator, rows: int) -> Iterator[Tensor]:
    """Noisy copies (g, N, C, H, W), as many draws at a time as fit into the rows."""
    import torch

    together = max(1, rows // len(images))
    for start in range(0, draws, together):
        yield torch.stack([noisy(images, sigma, rng) for _ in range(min(together, draws - start))])
