"""Runs a contest in rounds, one side after the other, and says what came of it."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.util import find_spec
from statistics import median

import torch
from torch import Tensor

from contests.contest import Answer, Bout, Contest, Side
from contests.work import Work, counted


@dataclass(frozen=True)
class Lap:
    """One run of one side: seconds by the clock, CPU seconds of this process and its children, work."""

    seconds: float
    cpu: float
    work: Work


@dataclass(frozen=True)
class Ratio:
    """The peer's seconds over ours: the median of the rounds, and their range. Above 1 ours is faster."""

    median: float
    low: float
    high: float


@dataclass(frozen=True)
class Likeness:
    """What both sides have in common: samples of equal verdict, samples that ours alone breaks, the least cosine of a
    sample's two gradients, and their largest difference as a share of the largest entry."""

    equal: int
    broken_by_ours: int = 0
    cosine: float | None = None
    difference: float | None = None


@dataclass(frozen=True)
class Result:
    """What a contest's rounds took, and the least likeness of any of them."""

    contest: Contest
    samples: int
    likeness: Likeness
    ours: tuple[Lap, ...] = field(repr=False)
    peer: tuple[Lap, ...] = field(repr=False)

    @property
    def ratio(self) -> Ratio:
        """How many times as long as ours the peer took."""
        ratios = [peer.seconds / ours.seconds for ours, peer in zip(self.ours, self.peer, strict=True)]
        return Ratio(median(ratios), min(ratios), max(ratios))

    @property
    def holds(self) -> bool:
        """Whether both sides agree as far as the contest demands; a ratio means nothing where they do not."""
        demand, found = self.contest.demand, self.likeness
        alike = demand.cosine is None or (found.cosine is not None and found.cosine >= demand.cosine)
        enough = found.equal + (found.broken_by_ours if demand.stronger else 0) >= demand.equal * self.samples
        return enough and alike


def missing(contest: Contest) -> tuple[str, ...]:
    """What a contest needs and does not have, each in words."""
    packages = [f"{package} is not installed" for package in contest.packages if find_spec(package) is None]
    return (*packages, *(f"{name} is not set" for name in contest.variables if name not in os.environ))


def run(contest: Contest, samples: int | None, rounds: int, told: Callable[[str], None] = lambda line: None) -> Result:
    """The result of so many rounds on at most so many samples; who goes first changes from round to round."""
    count = contest.samples if samples is None else min(samples, contest.samples)
    bout = contest.make(count)
    laps: tuple[list[Lap], list[Lap]] = ([], [])
    seen: list[Likeness] = []
    for number in range(rounds):
        answers: dict[int, Answer] = {}
        for side in (0, 1) if number % 2 == 0 else (1, 0):
            lap, answers[side] = _lap(bout, (bout.ours, bout.peer)[side])
            laps[side].append(lap)
        seen.append(likeness(answers[0], answers[1], contest.demand.stronger))
        told(f"{contest.name}, round {number + 1}: {laps[0][-1].seconds:.2f} s, peer {laps[1][-1].seconds:.2f} s")
    return Result(contest, count, _least(seen), tuple(laps[0]), tuple(laps[1]))


def likeness(ours: Answer, peer: Answer, stronger: bool = False) -> Likeness:
    """What two answers have in common; `stronger` as in `Demand`. Raises `ValueError` where they are not about as many
    samples."""
    if ours.verdicts.shape != peer.verdicts.shape:
        raise ValueError(f"Verdicts have the shapes {tuple(ours.verdicts.shape)} and {tuple(peer.verdicts.shape)}.")
    equal = int((ours.verdicts == peer.verdicts).sum())
    broken = int(((ours.verdicts == 0) & (peer.verdicts == 1)).sum()) if stronger else 0
    if ours.gradients is None or peer.gradients is None:
        return Likeness(equal, broken)
    mine, other = ours.gradients.flatten(1).double(), peer.gradients.flatten(1).double()
    largest = float(torch.maximum(mine.abs().max(), other.abs().max()))
    difference = float((mine - other).abs().max()) / largest if largest else 0.0
    return Likeness(equal, broken, float(_cosines(mine, other).min()), difference)


def _cosines(mine: Tensor, other: Tensor) -> Tensor:
    """Cosines (N,) of rows; 1 where both are 0, and 0 where only one is."""
    lengths = mine.norm(dim=1) * other.norm(dim=1)
    both = (mine.norm(dim=1) == 0) & (other.norm(dim=1) == 0)
    return torch.where(both, 1.0, (mine * other).sum(1) / lengths.clamp_min(1e-300))


def _lap(bout: Bout, side: Side) -> tuple[Lap, Answer]:
    gc.collect()  # so that nobody clears up after the other
    with counted(bout.networks) as work:
        cpu, started = _cpu(), time.perf_counter()
        read = side()
        seconds, cpu = time.perf_counter() - started, _cpu() - cpu
    answer = read()
    return Lap(seconds, cpu, answer.work or work), answer


def _cpu() -> float:
    return sum(os.times()[:4])


def _least(seen: list[Likeness]) -> Likeness:
    cosines = [each.cosine for each in seen if each.cosine is not None]
    differences = [each.difference for each in seen if each.difference is not None]
    worst = min(seen, key=lambda each: each.equal + each.broken_by_ours)
    return Likeness(worst.equal, worst.broken_by_ours, min(cosines, default=None), max(differences, default=None))
