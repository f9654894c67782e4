"""A classifier by majority vote under Gaussian noise: PREDICT, and a differentiable mean for attacks."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Generator, Tensor
from torch.utils.checkpoint import checkpoint

from bench import Classifier, Smoothed, UsageError, binomial_test, count_votes
from defenses.parts.gradients import differentiable


@dataclass(frozen=True)
class Vote:
    """How a smoothed classifier predicts: `draws` votes, abstention where the test's p-value exceeds `alpha`, and
    `copies` noisy images for a gradient."""

    sigma: float
    draws: int
    alpha: float
    copies: int

    def __post_init__(self) -> None:
        for name in ("draws", "copies"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} must be at least 1; got {getattr(self, name)}.")
        if self.sigma <= 0 or not 0 < self.alpha < 1:
            raise UsageError(f"sigma must be above 0 and alpha in (0, 1); got {self.sigma} and {self.alpha}.")


class GaussianVote(Smoothed):
    """PREDICT of Cohen et al. 2019 (1902.02918) over a base classifier of noisy images (N, C, H, W) around [0, 1].

    Logits (N, K + 1) are log(count + 1/2); the last column is on top where the two-sided binomial test does not tell
    the two most frequent classes apart. One noise is drawn for the whole batch a draw, so that the cut into `rows`
    (`graph` of them where there is a gradient) changes none. The base must neither draw nor abstain.
    """

    deterministic = False
    differentiable = False
    abstains = True

    def __init__(self, base: Classifier, classes: int, vote: Vote, rows: int, graph: int | None = None) -> None:
        if not base.deterministic or base.abstains:
            raise UsageError("The classifier under the noise must be deterministic and must not abstain; take another.")
        self.base = base
        self.sigma, self.rows = vote.sigma, rows
        self._graph = rows if graph is None else graph
        self._classes, self._vote = classes, vote

    def __call__(self, images: Tensor, rng: Generator) -> Tensor:
        """Logits (N, K + 1) without a gradient."""
        counts = count_votes(self.base, images, self.sigma, self._vote.draws, rng, self._classes, self.rows)
        first, second = counts.topk(2, dim=1).values.unbind(1)
        top, both = first.tolist(), (first + second).tolist()
        unclear = [binomial_test(votes, total) > self._vote.alpha for votes, total in zip(top, both, strict=True)]
        logits = (counts + 0.5).log()
        refusal = torch.where(
            torch.tensor(unclear, device=images.device), logits.amax(1) + 1, torch.full_like(logits[:, 0], -1.0)
        )
        return torch.cat([logits, refusal[:, None]], 1)

    def stand_in(self) -> Classifier | None:
        """The log of the mean class probabilities of the first `copies` draws (Salman et al. 2019, 1906.04584)."""
        base = differentiable(self.base)
        return None if base is None else _MeanProbabilities(base, self._vote, self._graph)

    def shrink(self) -> str | None:
        """Half as many noisy images a network call, and the same of the base."""
        if self.rows == self._graph == 1:
            return self.base.shrink()
        self.rows, self._graph = max(1, self.rows // 2), max(1, self._graph // 2)
        self.base.shrink()
        return f"chunks of {self.rows} noisy images"


class _MeanProbabilities(Classifier):
    """The mean of a base classifier's probabilities over noisy copies, as logits; the graph of `rows` images at a
    time."""

    deterministic = False

    def __init__(self, base: Classifier, vote: Vote, rows: int) -> None:
        self.base, self._vote, self._rows = base, vote, rows

    def __call__(self, images: Tensor, rng: Generator) -> Tensor:
        """Logits (N, K), differentiable in the images."""

        def classified(part: Tensor) -> Tensor:
            return self.base(part, rng).log_softmax(1)

        copies = torch.stack([_noisy(images, self._vote.sigma, rng) for _ in range(self._vote.copies)])
        parts = [
            checkpoint(classified, part, use_reentrant=False, preserve_rng_state=False)
            for part in torch.split(copies.flatten(0, 1), self._rows)
        ]
        found = torch.cat(parts).unflatten(0, copies.shape[:2])
        mean: Tensor = found.logsumexp(0) - math.log(len(copies))
        return mean


def _noisy(images: Tensor, sigma: float, rng: Generator) -> Tensor:
    return images + sigma * torch.randn(images.shape, generator=rng, device=rng.device).to(images)
