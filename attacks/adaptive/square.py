"""Square on a mean over draws, through pyautoattack."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attacks.autoattack.limits import square_misfit
from attacks.autoattack.square import search
from attacks.parts.ascent import drawn
from bench import ThreatModel, Victim

if TYPE_CHECKING:
    from torch import Generator, Tensor


def square(
    victim: Victim, images: Tensor, labels: Tensor, threat: ThreatModel, queries: int, draws: int, rng: Generator
) -> Tensor:
    """What Square proposes (Andriushchenko et al. 2020, 1912.00049) against the mean of the log-probabilities over
    `draws` fresh draws; clean images where it finds nothing, or cannot lay its tiles."""
    import torch

    height, width = images.shape[2:]
    if square_misfit(threat.norm, (height, width)):
        return images
    asked = 0

    def mean(queried: Tensor) -> Tensor:
        nonlocal asked
        asked += 1
        victim.watch(min(asked, queries), queries, f"square, {len(queried)} samples open")
        return torch.cat([logits.log_softmax(2) for logits in drawn(victim, queried, draws)]).mean(0)

    return search(mean, images, labels, threat, rng, queries)[0]
