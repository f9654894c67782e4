"""Auto-PGD (Croce and Hein 2020, 2003.01690) on a mean over draws, and plain PGD on it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from attacks.parts.ascent import steepest
from attacks.parts.looking import Look, View
from bench import ThreatModel

if TYPE_CHECKING:
    from torch import Tensor

MOMENTUM, CLIMBED = 0.75, 0.75
"""How much of a step is new, and the share of a window's steps that must climb for the step size to stay."""
FIRST, SHORTER, SHORTEST = 0.22, 0.03, 0.06
"""Lengths of the windows between checkpoints as shares of all steps: of the first, by how much the next is shorter, and
the shortest."""

Tell = Callable[[int, int], None]
"""Told of every step: its number, and how many samples are still attacked."""


@dataclass
class Best:
    """The image (N, C, H, W) of highest mean lead that was seen of each sample, and that lead (N,)."""

    images: Tensor
    lead: Tensor

    def saw(self, rows: Tensor, images: Tensor, view: View) -> None:
        """Keep what is better of these rows' images."""
        better = view.lead > self.lead[rows]
        self.images[rows[better]] = images[better]
        self.lead[rows[better]] = view.lead[better]


@dataclass(frozen=True)
class Problem:
    """What is climbed: a look, the clean images and labels, the budget. Where `whole`, all samples are looked at while
    there is one that is not beyond doubt, for a noise that the judge shares belongs to the places in a batch."""

    look: Look
    clean: Tensor
    labels: Tensor
    threat: ThreatModel
    whole: bool = False

    def going(self, view: View) -> Tensor:
        """Which of the samples looked at (N,) bool go on."""
        going = ~view.sure
        return going.any().expand_as(going) if self.whole else going


def checkpoints(steps: int) -> set[int]:
    """The steps after which APGD looks back: ever shorter windows."""
    found, at, window = set(), 0.0, FIRST
    while at + window <= 1 + 1e-9:
        at += window
        found.add(math.ceil(round(at * steps, 6)))
        window = max(window - SHORTER, SHORTEST)
    return found


def auto_pgd(problem: Problem, start: Tensor, steps: int, tell: Tell) -> Best:
    """The best images on the way up from `start`.

    Step rule, best point and stop use the mean over the draws: a step size halves where too few steps of a window
    raised the mean loss, or where neither it nor the best mean loss changed since the last checkpoint, and the ascent
    then restarts at the best point. A sample stops where every draw misclassifies it by a lead that is no luck.
    """
    import torch

    clean, threat, norm = problem.clean, problem.threat, problem.threat.norm
    rows = torch.arange(len(clean), device=clean.device)
    images, before = start.clone(), start.clone()
    view = problem.look(images, problem.labels)
    best = Best(images.clone(), view.lead.clone())
    top, at, uphill = view.loss.clone(), images.clone(), view.gradient.clone()
    gradient, last = view.gradient, view.loss.clone()
    size = torch.full_like(top, 2 * threat.radius)
    climbed, top_before = torch.zeros_like(top), top.clone()
    halved_before = torch.zeros_like(top, dtype=torch.bool)
    marks, opened = checkpoints(steps), 0
    for step in range(1, steps + 1):
        tell(step, len(rows))
        if len(rows) == 0:
            break
        stride = size[rows].view(-1, 1, 1, 1)
        here, original = images[rows], clean[rows]
        target = threat.project(original, here + stride * steepest(norm, gradient))
        keep = MOMENTUM if step > 1 else 1.0
        moved = threat.project(original, here + keep * (target - here) + (1 - keep) * (here - before[rows]))
        before[rows], images[rows] = here, moved
        view = problem.look(moved, problem.labels[rows])
        best.saw(rows, moved, view)
        climbed[rows] += (view.loss > last[rows]).float()
        last[rows] = view.loss
        higher = view.loss > top[rows]
        top[rows] = torch.where(higher, view.loss, top[rows])
        at[rows[higher]], uphill[rows[higher]] = moved[higher], view.gradient[higher]
        gradient = view.gradient
        if step in marks:
            window, opened = step - opened, step
            slow = climbed < CLIMBED * window
            stuck = ~halved_before & (top <= top_before)
            halved = slow | stuck
            size[halved] /= 2
            restart = halved[rows]
            chosen = rows[restart]
            images[chosen], before[chosen] = at[chosen], at[chosen]
            gradient = torch.where(restart.view(-1, 1, 1, 1), uphill[rows], gradient)
            halved_before, top_before = halved, top.clone()
            climbed = torch.zeros_like(climbed)
        going = problem.going(view)
        rows, gradient = rows[going], gradient[going]
    return best


def plain_pgd(problem: Problem, steps: int, step_size: float, tell: Tell) -> Best:
    """The best images of PGD from the clean image in equal steps (Lee and Kim 2023, 2303.09051)."""
    import torch

    clean = problem.clean
    rows = torch.arange(len(clean), device=clean.device)
    images = clean.clone()
    best = Best(clean.clone(), torch.full(clean.shape[:1], -torch.inf, device=clean.device))
    for step in range(1, steps + 2):
        tell(min(step, steps), len(rows))
        if len(rows) == 0:
            break
        view = problem.look(images[rows], problem.labels[rows])
        best.saw(rows, images[rows], view)
        if step > steps:
            break
        moved = images[rows] + step_size * steepest(problem.threat.norm, view.gradient)
        images[rows] = problem.threat.project(clean[rows], moved)
        rows = rows[problem.going(view)]
    return best
