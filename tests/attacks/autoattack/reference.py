"""What pyautoattack itself proposes, set up by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from pyautoattack import AutoAttack
from torch import Tensor

from bench import Batch
from tests.attacks.victims import generator

EPSILON = {"linf": "0.02", "l2": "0.15", "l1": "0.8"}
"""Budgets at which some samples of `victims.network` break and some do not."""


def by_library(
    norm: str,
    model: Callable[[Tensor], Tensor],
    batch: Batch,
    set_up: Callable[[Any], None],
    version: str = "standard",
) -> Tensor:
    """The library's images with the seed that our attacks draw from `generator()`."""
    seed = int(torch.randint(2**31, (), generator=generator()))
    with torch.random.fork_rng(devices=[]):
        adversary = AutoAttack(model, norm=norm.capitalize(), eps=float(EPSILON[norm]), version=version, seed=seed)
        set_up(adversary)
        images, _ = adversary.run_standard_evaluation(batch.images, batch.labels, batch_size=len(batch))
    return images


def brief(adversary: Any, targets: int = 9) -> None:
    """10 steps, 60 queries, and so many targets."""
    for part, aimed in ((adversary.apgd, {}), (adversary.apgd_targeted, {"n_target_classes": targets})):
        part.__init__(  # APGD derives its checkpoints from the number of steps when it is built
            part.model,
            n_iter=10,
            norm=part.norm,
            n_restarts=part.n_restarts,
            eps=part.eps,
            seed=part.seed,
            device=part.device,
            logger=part.logger,
            use_largereps=part.use_largereps,
            **aimed,
        )
    adversary.fab.n_iter, adversary.fab.n_target_classes = 10, targets
    adversary.square.n_queries = 60


def only(name: str, *more: Callable[[Any], None]) -> Callable[[Any], None]:
    """A set-up of one attack of the library, briefly, with what else it is given."""

    def set_up(adversary: Any) -> None:
        adversary.attacks_to_run = [name]
        for change in (brief, *more):
            change(adversary)

    return set_up
