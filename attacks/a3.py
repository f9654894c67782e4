"""A3, adaptive auto attack: short ascents from adaptive directions, spent on the samples that are nearly misled."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from attacks.parts.ascent import first_seen, random_start, steepest
from attacks.parts.descent import cosine
from attacks.parts.losses import margin
from attacks.parts.making import in_norms
from attacks.parts.settings import at_least_one
from bench import Attack, Batch, Perturbed, ThreatModel, Victim

if TYPE_CHECKING:
    from torch import Generator, Tensor

Round = tuple[float, int, int, int]
ROUNDS: tuple[Round, ...] = (
    *((1.0, 0, 8, 1), (1.0, 7, 8, 1), (1.0, 7, 8, 1), (0.7, 7, 25, 1), (0.6, 7, 30, 1), (0.5, 7, 30, 1)),
    *((0.4, 7, 35, 1), (0.3, 7, 40, 1), (0.2, 7, 45, 1), (0.1, 7, 50, 1), (0.1, 7, 50, 4), (0.065, 7, 55, 4)),
    (0.03, 7, 60, 50),
)
"""Share of the open samples, steps along the direction, steps along the margin, and restarts of each round."""
LEAST = 8
"""Samples that a round attacks at least, where so many are open."""
STRENGTH = 0.8
"""Entry of the class that a direction points to; the others are uniform in [-1, 1]."""
SHORTEST, SHORT = 0.001, 10
"""Share of epsilon to which steps shrink; a tenth where there are at most 10."""


@dataclass(frozen=True)
class A3(Attack):
    """Adaptive auto attack (Liu et al. 2022, 2203.05154) in the norm of a subclass: as strong as AutoAttack's standard
    at a tenth of its passes, where it is given all its rounds.

    Every restart goes from a random start some steps of epsilon along a random direction of the logits, then up the
    margin in steps that a cosine shrinks. From the third round on the direction's entries of the true class and of one
    rival, each rank in turn, are drawn where those lay that succeeded (adaptive direction initialisation), and only the
    share of the samples is attacked that came nearest to being misled (online statistics-based discarding). `restarts`
    caps those of a round. Written from the paper and the constants of its released code. Deviations: the statistics
    are a shard's, and at least 8 samples are attacked where 100 are there.
    """

    restarts: int = 50

    def __post_init__(self) -> None:
        at_least_one(self, "restarts")

    def perturb(self, victim: Victim, batch: Batch, threat: ThreatModel, rng: Generator) -> Perturbed:
        """Images within `threat`: the first misleading one of each sample, else the one of the largest margin."""
        run = Run(victim, batch, threat, rng)
        total = sum(min(restarts, self.restarts) for *_, restarts in ROUNDS)
        done = 0
        for number, (share, initial, steps, restarts) in enumerate(ROUNDS):
            for _ in range(min(restarts, self.restarts)):
                run.restart(share, initial, steps, number)
                done += 1
                left = int(run.open.sum())
                victim.watch(done, total, f"round {number + 1} of {len(ROUNDS)}, {left} samples open")
                if left == 0:
                    return Perturbed(run.images, broken_at=run.broken_at)
        return Perturbed(run.images, broken_at=run.broken_at)


@dataclass
class Run:
    """A batch under attack: the best image of each sample and its margin, and what successful directions had in
    common."""

    victim: Victim
    batch: Batch
    threat: ThreatModel
    rng: Generator
    step: int = 0
    turn: int = 0
    pulls: list[tuple[float, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        import torch

        with torch.no_grad():
            logits = self.victim(self.batch.images)
        self.images, self.leads = self.batch.images.clone(), margin(logits, self.batch.labels)
        self.broken_at = torch.where(self.leads > 0, 0, -1)
        self.order = logits.scatter(1, self.batch.labels[:, None], -torch.inf).argsort(1, descending=True)

    @property
    def open(self) -> Tensor:
        """Which samples (N,) nothing has misled yet."""
        return self.leads <= 0

    def restart(self, share: float, initial: int, steps: int, number: int) -> None:
        """One ascent of the open samples nearest to being misled."""
        import torch

        rows = self.open.nonzero().flatten()
        count = min(len(rows), max(LEAST, int(share * len(rows))))
        rows = rows[self.leads[rows].argsort(descending=True, stable=True)[:count]]
        labels, clean = self.batch.labels[rows], self.batch.images[rows]
        directions = self._directions(rows, number)
        moved = (clean + random_start(self.threat.norm, clean, self.threat.radius, self.rng)).clamp(0, 1)
        shortest = 0.1 if steps <= SHORT else SHORTEST
        for at in range(initial + steps + 1):
            asked = moved.detach().clone().requires_grad_()
            with torch.enable_grad():
                logits = self.victim(asked)
                leads = margin(logits, labels)
                loss = (logits * directions).sum() if at < initial else leads.sum()
            self._saw(rows, moved, leads.detach(), logits.detach().argmax(1), directions if number else None)
            going = leads.detach() <= 0
            if at == initial + steps or not bool(going.any()):
                break
            (gradient,) = torch.autograd.grad(loss, asked)
            size = 1.0 if at < initial else cosine(at - initial, steps + 1, 1.0, shortest)
            moved = moved + size * self.threat.radius * steepest(self.threat.norm, gradient)
            moved = self.threat.project(clean, moved)
            if self.victim.deterministic:  # a random defense's noise belongs to the places in a batch
                rows, labels, clean, moved = rows[going], labels[going], clean[going], moved[going]
                directions = directions[going]
        self.turn += 1

    def _directions(self, rows: Tensor, number: int) -> Tensor:
        """Directions (M, K) of the logits: random, and from the third round on after those that succeeded."""
        import torch

        classes = self.order.shape[1]
        found = torch.empty(len(rows), classes, device=rows.device).uniform_(-1, 1, generator=self.rng)
        if number < 2 or not self.pulls:
            return found
        own, rival = (sum(each) for each in zip(*self.pulls, strict=True))
        low, high = (-0.1, 0.5) if own > 0 else (-0.5, 0.1)
        true = torch.empty(len(rows), device=rows.device).uniform_(low, high, generator=self.rng)
        found.scatter_(1, self.batch.labels[rows, None], true[:, None])
        rank = self.turn % (classes - 1)
        strength = torch.full_like(true, STRENGTH if rival >= 0 else -STRENGTH)
        return found.scatter_(1, self.order[rows, rank : rank + 1], strength[:, None])

    def _saw(self, rows: Tensor, images: Tensor, leads: Tensor, classes: Tensor, directions: Tensor | None) -> None:
        """Keep the images that lead further, and the directions' entries where one misled."""
        self.step += 1
        better = leads > self.leads[rows]
        self.images[rows[better]], self.leads[rows[better]] = images[better], leads[better]
        misled = leads > 0
        self.broken_at[rows] = first_seen(self.broken_at[rows], misled, self.step)
        if directions is not None and bool(misled.any()):
            own = directions.gather(1, self.batch.labels[rows, None]).flatten()[misled]
            rival = directions.gather(1, classes[:, None]).flatten()[misled]
            self.pulls += list(zip(own.tolist(), rival.tolist(), strict=True))


A3Linf, A3L2 = in_norms(A3, ("linf", "l2"), "Adaptive auto attack in {norm} (Liu et al. 2022, 2203.05154).")
