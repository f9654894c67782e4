"""Differential evolution over a few pixels' places and values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from attacks.parts.settings import above_zero, at_least_one
from bench import Attack, Batch, Perturbed, ThreatModel, UsageError, Victim

if TYPE_CHECKING:
    from torch import Generator, Tensor

PARTNERS = 3
"""A new candidate is made from three others, so a population holds four at least."""
MEAN, DEVIATION = 128 / 255, 127 / 255
"""Of the normal distribution of the first values."""
VALUES = 2**22
"""Pixel values that one query holds at most; larger populations are asked about in parts."""


@dataclass(frozen=True)
class OnePixel(Attack):
    """As many pixels as epsilon says, found by differential evolution (Su et al. 2019, 1710.08864).

    A candidate is the pixels' places and values; `population` of them compete in `generations`. Candidate i is
    challenged by a + scale * (b - c) of three other ones, without crossover, and gives way where the challenger leaves
    the true class no more probability. First places are uniform, first values normal with mean 128 and deviation 127 of
    255. The settings are the paper's. All samples' populations evolve together; a misled sample leaves.

    What the paper leaves open: values are cut to [0, 1], places beyond the image are drawn anew, a later pixel covers
    an earlier one at its place. Probabilities are compared by their log odds, which keep their order without their
    rounding. A sample stops at the first image that misleads, where the paper goes on to a probability of 5 %.
    A random defense shows every candidate under noise of its own, and one lucky candidate settles the sample.
    """

    norm: ClassVar[str] = "l0"
    knowledge = "black-box"
    population: int = 400
    generations: int = 100
    scale: float = 0.5

    def __post_init__(self) -> None:
        at_least_one(self, "generations")
        if self.population <= PARTNERS:
            raise UsageError(f"population must be at least {PARTNERS + 1}; got {self.population}.")
        above_zero(self, "scale")

    def perturb(self, victim: Victim, batch: Batch, threat: ThreatModel, rng: Generator) -> Perturbed:
        """Images with at most epsilon pixels painted over; those of samples never misled are the nearest to it.

        `broken_at` counts populations: 1 is the first, drawn one. Every draw is made for the whole batch.
        """
        import torch

        with torch.no_grad():
            right = victim(batch.images).argmax(1) == batch.labels
            images, broken_at = batch.images.clone(), torch.where(right, -1, 0)
            rows = right.nonzero().flatten()
            candidates = self._first(batch.images, _pixels(threat), rng)[rows]
            scores = _scores(victim, batch, rows, candidates)
            for generation in range(1, self.generations + 2):
                lowest, best = scores.min(1)
                images[rows] = _paint(batch.images[rows], candidates[torch.arange(len(rows), device=best.device), best])
                staying = lowest > -torch.inf
                broken_at[rows[~staying]] = generation
                rows, candidates, scores = rows[staying], candidates[staying], scores[staying]
                victim.watch(generation, self.generations + 1, f"generations, {len(rows)} still robust")
                if generation > self.generations or not len(rows):
                    break
                challengers = self._challengers(candidates, rows, len(batch), rng)
                theirs = _scores(victim, batch, rows, challengers)
                better = theirs <= scores
                candidates = torch.where(better[:, :, None, None], challengers, candidates)
                scores = torch.where(better, theirs, scores)
        return Perturbed(images, broken_at=broken_at)

    def _first(self, images: Tensor, pixels: int, rng: Generator) -> Tensor:
        """Candidates (N, P, pixels, 2 + C): row and column as shares of the image's extent, and a value a channel."""
        import torch

        shape = (len(images), self.population, pixels)
        places = torch.rand(*shape, 2, generator=rng, device=images.device)
        values = torch.randn(*shape, images.shape[1], generator=rng, device=images.device)
        return torch.cat([places, (MEAN + DEVIATION * values).clamp(0, 1)], -1)

    def _challengers(self, candidates: Tensor, rows: Tensor, samples: int, rng: Generator) -> Tensor:
        """A challenger of each candidate, made of three others, all four different."""
        import torch

        count, device = self.population, candidates.device
        offsets: list[Tensor] = []
        for drawn in range(PARTNERS):
            left = count - 1 - drawn
            offset = 1 + torch.randint(left, (samples, count), generator=rng, device=device)[rows]
            for taken in torch.stack(offsets).sort(0).values if offsets else ():
                offset += offset >= taken  # skips the partners chosen before, from the nearest on
            offsets.append(offset)
        sample = torch.arange(len(rows), device=device)[:, None]
        own = torch.arange(count, device=device)
        first, second, third = (candidates[sample, (own + offset) % count] for offset in offsets)
        challengers = first + self.scale * (second - third)
        places, values = challengers[..., :2], challengers[..., 2:]
        anew = torch.rand(samples, *places.shape[1:], generator=rng, device=device)[rows]
        places = torch.where((places >= 0) & (places < 1), places, anew)
        return torch.cat([places, values.clamp(0, 1)], -1)


def _scores(victim: Victim, batch: Batch, rows: Tensor, candidates: Tensor) -> Tensor:
    """The true class's log odds (M, P) under each candidate of the samples at `rows`; -inf where another class wins."""
    import torch

    count = candidates.shape[1]
    owners = rows.repeat_interleave(count)
    parts = max(1, VALUES // batch.images[0].numel())
    scores = [
        _log_odds(victim(_paint(batch.images[owner], part)), batch.labels[owner])
        for owner, part in zip(owners.split(parts), candidates.flatten(0, 1).split(parts), strict=True)
    ]
    return torch.cat(scores).view(-1, count)


def _log_odds(logits: Tensor, labels: Tensor) -> Tensor:
    import torch

    own = torch.zeros_like(logits, dtype=torch.bool).scatter(1, labels[:, None], True)
    odds = logits.gather(1, labels[:, None]).flatten() - logits.masked_fill(own, -torch.inf).logsumexp(1)
    return odds.masked_fill(logits.argmax(1) != labels, -torch.inf)


def _paint(images: Tensor, candidates: Tensor) -> Tensor:
    """Copies of the images (M, C, H, W) with their candidate's (M, pixels, 2 + C) pixels painted over."""
    height, width = images.shape[2:]
    painted = images.flatten(2).clone()
    for pixel in candidates.unbind(1):  # one after the other: the order in which a scatter writes is not defined
        row = (pixel[:, 0] * height).long().clamp_max(height - 1)
        column = (pixel[:, 1] * width).long().clamp_max(width - 1)
        place = (row * width + column)[:, None, None].expand(-1, images.shape[1], 1)
        painted.scatter_(2, place, pixel[:, 2:, None])
    return painted.view_as(images)


def _pixels(threat: ThreatModel) -> int:
    pixels = int(threat.epsilon)
    if pixels < 1:
        raise UsageError(f"Epsilon is the number of pixels, at least 1; got {threat.epsilon}.")
    return pixels
