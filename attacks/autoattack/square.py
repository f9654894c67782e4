"""Square (Andriushchenko et al. 2020, 1912.00049; in l1: Croce and Hein 2021, 2103.01208) through pyautoattack."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from attacks.autoattack.library import classes_of, isolated, seed_from
from attacks.autoattack.limits import square_misfit
from attacks.autoattack.recall import Recall
from attacks.parts.making import in_norm, in_norms
from attacks.parts.settings import at_least_one
from bench import Attack, Batch, Perturbed, ThreatModel, UsageError, Victim

if TYPE_CHECKING:
    from torch import Generator, Tensor


@dataclass(frozen=True)
class Square(Attack):
    """Square as AutoAttack runs it: a shard is one batch, under one seed drawn from the passed generator.

    Random squares, kept where they lower the margin; `p_init` is the first ones' share of the image, and the schedule
    by which it shrinks is that of 10000 queries, however many there are. The library itself queries no sample again
    that is broken. A random defense is queried under the prediction's own noise.

    Equal to the library on the same seed and batch, bit for bit; in l1, where it leaves [0, 1] by a rounding error, the
    images are clamped.
    """

    library = "pyautoattack"
    knowledge = "black-box"
    n_queries: int = 5000
    n_restarts: int = 1
    p_init: float = 0.8

    def __post_init__(self) -> None:
        at_least_one(self, "n_queries", "n_restarts")
        if not 0 < self.p_init <= 1:
            raise UsageError(f"p_init is a share of the image above 0 and up to 1; got {self.p_init}.")

    def perturb(self, victim: Victim, batch: Batch, threat: ThreatModel, rng: Generator) -> Perturbed:
        """Images within `threat`, clean where no misclassified one was found.

        Iterations count a sample's queries over restarts, the starting stripes or tiles included. Raises `UsageError`
        where the library cannot lay its first tiles on images of this size.
        """
        height, width = batch.images.shape[2:]
        if misfit := square_misfit(self.norm, (height, width)):
            raise UsageError(f"{misfit.capitalize()}; use square-linf, or images of another size.")
        queries = Queries(victim, batch, classes_of(victim, batch), self.n_queries, self.n_restarts)
        images, warned = search(
            queries, batch.images, batch.labels, threat, rng, self.n_queries, self.n_restarts, self.p_init
        )
        if self.norm == "l1":
            images = images.clamp(0, 1)
        return Perturbed(images, remarks=tuple(warned), broken_at=queries.broken_at)


def search(
    ask: Callable[[Tensor], Tensor],
    images: Tensor,
    labels: Tensor,
    threat: ThreatModel,
    rng: Generator,
    queries: int,
    restarts: int = 1,
    first: float = 0.8,
) -> tuple[Tensor, list[str]]:
    """What the library's Square proposes, under a seed drawn from `rng`, and its warnings; `first` is the share of the
    image that the first squares cover."""
    import torch
    from pyautoattack.square import SquareAttack

    seed = seed_from(rng)
    with isolated() as warned, torch.no_grad():
        found: Tensor = SquareAttack(
            ask,
            norm=threat.norm.capitalize(),
            n_queries=queries,
            eps=threat.radius,
            p_init=first,
            n_restarts=restarts,
            seed=seed,
            resc_schedule=False,
            device=images.device,
        ).perturb(images, labels)
    return found, warned


class Queries:
    """The victim as Square sees it; follows which samples it asks about, as the margins that it gets tell."""

    def __init__(self, victim: Victim, batch: Batch, classes: int, queries: int, restarts: int) -> None:
        import torch

        self.broken_at = torch.full_like(batch.labels, -1)
        self._victim, self._labels, self._classes = victim, batch.labels, classes
        self._ask = Recall(victim) if victim.deterministic else victim
        self._a_run, self._total = queries + 1, restarts * (queries + 1)
        self._run = self._open = torch.arange(len(batch), device=batch.labels.device)
        self._before = self._query = 0
        self._begun = False

    def __call__(self, images: Tensor) -> Tensor:
        """Logits of the images that the library asks about: all, then a run's queries, then those that it proposes."""
        if len(images) == 0:  # the library asks so when the last samples meet the boundary exactly
            return images.new_zeros(0, self._classes)
        logits = self._ask(images)
        if not self._begun or self._query == self._a_run or len(self._open) == 0:
            self._judge(logits)
        else:
            self._step(logits)
        return logits

    def _judge(self, logits: Tensor) -> None:
        """Clean images or a run's proposals: the next run has those that are classified correctly."""
        wrong = logits.max(1)[1] != self._labels[self._run]
        if not self._begun:
            self.broken_at[wrong] = 0
        self._run = self._open = self._run[~wrong]
        self.broken_at[self._run] = -1  # a sample that only met the boundary is robust after all
        self._before, self._query, self._begun = self._before + self._query, 0, True

    def _step(self, logits: Tensor) -> None:
        """A query of the open samples; those that do not lead any more are asked no further."""
        self._query += 1
        rows, labels = self._open, self._labels[self._open, None]
        lead = logits.gather(1, labels) - logits.scatter(1, labels, -float("inf")).amax(1, keepdim=True)
        beaten = (lead <= 0).flatten()
        if bool(beaten.any()):
            self.broken_at[rows[beaten]] = self._before + self._query
            self._open = rows[~beaten]
        if self._query % max(1, self._a_run // 200) == 0:
            done, left = self._before + self._query, len(self._open)
            self._victim.watch(done, self._total, f"square, {left} robust samples left")


_SUMMARY = "Square, random search without gradients, in {norm}"
SquareLinf, SquareL2 = in_norms(Square, ("linf", "l2"), f"{_SUMMARY} (Andriushchenko et al. 2020, 1912.00049).")
SquareL1 = in_norm(Square, "l1", f"{_SUMMARY.format(norm='l1')} (Croce and Hein 2021, 2103.01208).")
