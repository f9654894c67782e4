"""Contests between programs whose answers and seconds are known."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch

from contests.contest import Answer, Bout, Contest, Demand, Side
from contests.running import Lap, Likeness, Result
from contests.work import Work


def side(answer: Answer, seconds: float = 0.0) -> Side:
    """A program that sleeps and then knows its answer."""

    def work() -> Callable[[], Answer]:
        time.sleep(seconds)
        return lambda: answer

    return work


def contest(ours: Answer, peer: Answer, demand: Demand, pace: tuple[float, float] = (0.0, 0.0)) -> Contest:
    """A contest between two known answers, which take so many seconds."""
    made = Bout(side(ours, pace[0]), side(peer, pace[1]))
    return Contest("known", "ours", "theirs", demand, lambda samples: made, len(ours.verdicts))


def answer(*verdicts: int, gradients: list[list[float]] | None = None) -> Answer:
    """An answer of these verdicts."""
    return Answer(torch.tensor(verdicts), None if gradients is None else torch.tensor(gradients))


def result(ours: list[float], peer: list[float], equal: int = 4, demand: Demand | None = None) -> Result:
    """What rounds of these seconds on four samples gave."""
    whole = contest(answer(1, 1, 0, 0), answer(1, 1, 0, 0), demand or Demand("robust or not"))
    laps = [tuple(Lap(seconds, seconds, Work(2, 8, 4)) for seconds in side) for side in (ours, peer)]
    return Result(whole, 4, Likeness(equal), laps[0], laps[1])
