"""What is counted of an attack's queries, and which of them are kept."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from bench.domain.facts import Gradient
    from bench.domain.queries.spending import Limit


@dataclass
class Query:
    """One query of an attack as it was answered: images (N, C, H, W), the noise's seed, logits (N, K); on the CPU.

    Where a gradient was taken of the classifier's own logits, `cotangent` (N, K) is the loss's gradient in the logits,
    and `gradient` (N, C, H, W) what came of it in the images.
    """

    images: Tensor
    seed: int
    logits: Tensor
    cotangent: Tensor | None = None
    gradient: Tensor | None = None


class Observation:
    """What is counted of an attack's queries, and the few of them that are kept, chosen at random as they come.

    `forwards` and `backwards` count passes in samples, `sizes` queries by how many images each was about. A query is
    kept whole, for a random classifier answers a whole batch; which ones are kept nobody can tell before the attack has
    ended.
    """

    def __init__(self, seed: int, most: int) -> None:
        self.forwards = 0
        self.backwards = 0
        self.queries = 0
        self.sizes: dict[int, int] = {}
        self.gradients: dict[Gradient, int] = {}
        self.noises: set[int] = set()
        self.asked: Tensor | int = 0
        self.zero: Tensor | int = 0
        self._kept: list[Query] = []
        self._most = most
        self._random = random.Random(seed)

    @property
    def zero_gradients(self) -> float:
        """The share of rows that were asked for a gradient and got one that is zero in every pixel."""
        return float(self.zero) / max(1.0, float(self.asked))

    def audits(self) -> list[Query]:
        """The kept queries, a tenth of all but at least one and at most as many as were to be kept, in random order."""
        chosen = self._random.sample(self._kept, len(self._kept))
        return chosen[: max(1, self.queries // 10)]

    def place(self) -> int | None:
        """Where the next query is to be kept, if it is; every query so far is as likely to be among them."""
        self.queries += 1
        if self.queries <= self._most:
            return self.queries - 1
        chosen = self._random.randrange(self.queries)
        return chosen if chosen < self._most else None

    def keep(self, place: int | None, query: Query | None) -> None:
        """Keep a query in its place, where both are there."""
        if place is not None and query is not None:
            self._kept[place : place + 1] = [query]

    def follow(
        self, images: Tensor, logits: Tensor, source: Gradient, noise: int, query: Query | None, limit: Limit
    ) -> None:
        """Count the first gradient that comes back through a query, and keep it where the query is kept; every backward
        pass is charged to the limit."""
        moving: list[Tensor] = []

        def at_logits(cotangent: Tensor) -> None:
            self.backwards += len(cotangent)
            limit.charge(len(cotangent))
            if not moving:
                self.gradients[source] = self.gradients.get(source, 0) + 1
                self.noises.add(noise)
                if query is not None and source == "own":
                    query.cotangent = copied(cotangent)
            moving.append(_moves(cotangent))

        def at_images(gradient: Tensor) -> None:
            rows = moving[-1]
            self.asked = self.asked + rows.sum()
            self.zero = self.zero + rows.gt(_moves(gradient)).sum()
            if len(moving) == 1 and query is not None and source == "own":
                query.gradient = copied(gradient)

        logits.register_hook(at_logits)
        images.register_hook(at_images)


def copied(tensor: Tensor) -> Tensor:
    """A copy off the device, whose memory is the attack's."""
    return tensor.detach().to("cpu", copy=True)


def _moves(gradient: Tensor) -> Tensor:
    """Which rows (N,) of a gradient are not zero; by the way that is fastest on a CPU."""
    return gradient.detach().flatten(1).abs().amax(1).ne(0)
