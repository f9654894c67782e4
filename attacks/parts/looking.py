"""How images do on average over a defense's noise: their loss, their lead, and the way up."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from attacks.parts.ascent import drawn, turns
from attacks.parts.losses import Loss, margin, pull
from bench import Victim

if TYPE_CHECKING:
    from torch import Generator, Tensor

SURE = 3.0
"""How many standard deviations over the draws a mean lead must be above 0 to be beyond doubt."""


PROBES = 8
"""Single gradients from which their variance is measured."""


@dataclass(frozen=True)
class View:
    """Images seen through some draws of noise: mean loss and mean lead (N,), the lead's standard deviation over the
    draws (N,; 0 for one), the share of draws that misclassify (N,), and the mean gradient of the loss (N, C, H, W)."""

    loss: Tensor
    lead: Tensor
    spread: Tensor
    wrong: Tensor
    gradient: Tensor

    @property
    def sure(self) -> Tensor:
        """Which images (N,) bool every draw misclassifies, by a lead that is no luck."""
        return (self.wrong == 1) & (self.lead > SURE * self.spread)


Look = Callable[["Tensor", "Tensor"], View]
"""From images (N, C, H, W) and labels (N,) to how they do."""


@dataclass(frozen=True)
class Gradients:
    """A look along the victim's gradient: the mean over `draws` draws, each fresh where there are several (expectation
    over transformation; Athalye et al. 2018, 1707.07397)."""

    victim: Victim
    loss: Loss
    draws: int
    negligible: float

    def __call__(self, images: Tensor, labels: Tensor) -> View:
        """One forward and one backward pass a draw."""
        import torch

        losses, leads, total = [], [], torch.zeros_like(images)
        asked = images.detach().clone().requires_grad_()
        for group in drawn(self.victim, asked, self.draws):
            pulls = [pull(self.loss, logits, labels, self.negligible) for logits in group]
            losses += [found for found, _ in pulls]
            leads += [margin(logits, labels) for logits in group.detach()]
            total += torch.autograd.grad(group, asked, torch.stack([weights for _, weights in pulls]).to(group))[0]
        return _view(losses, leads, total / self.draws)


@dataclass(frozen=True)
class Differences:
    """A look without a gradient: its estimate from `directions` random signs a step of `width` either way (SPSA; Uesato
    et al. 2018, 1802.05666), for classifiers whose gradient is zero or missing."""

    victim: Victim
    loss: Loss
    directions: int
    width: float
    random: bool
    rng: Generator

    def __call__(self, images: Tensor, labels: Tensor) -> View:
        """One forward pass at the images, and two a direction."""
        import torch

        def height(asked: Tensor) -> tuple[Tensor, Tensor]:
            with torch.no_grad():
                logits = self.victim(asked)
            return self.loss(logits, labels), margin(logits, labels)

        losses, leads, total = [], [], torch.zeros_like(images)
        loss, lead = height(images)
        losses.append(loss)
        leads.append(lead)
        for _ in range(self.directions):
            if self.random:
                self.victim.redraw()
            signs = torch.empty_like(images).uniform_(-1, 1, generator=self.rng).sign()
            above, below = (height((images + side * self.width * signs).clamp(0, 1))[0] for side in (1, -1))
            total += (above - below).view(-1, 1, 1, 1) * signs
        return _view(losses, leads, total / (2 * self.width * self.directions))


def answers(victim: Victim, images: Tensor, labels: Tensor, draws: int) -> tuple[Tensor, Tensor]:
    """The share of draws that misclassify images (N,), and their mean lead (N,), without a gradient; the draws are
    fresh where there are several."""
    wrong, lead = rivals(victim, [images], labels, draws)[0]
    return wrong, lead


def rivals(victim: Victim, sets: list[Tensor], labels: Tensor, draws: int) -> list[tuple[Tensor, Tensor]]:
    """The same of several images of each sample, under the same draws."""
    import torch

    leads: list[list[Tensor]] = [[] for _ in sets]
    for _ in turns(victim, draws):
        for found, images in zip(leads, sets, strict=True):
            with torch.no_grad():
                found.append(margin(victim(images), labels))
    return [((torch.stack(found) > 0).float().mean(0), torch.stack(found).mean(0)) for found in leads]


def draws_for(victim: Victim, images: Tensor, labels: Tensor, loss: Loss, most: int) -> tuple[int, float]:
    """How many draws a gradient needs so that half of its squared length is signal, and that share for one draw.

    With g_i the gradients of single draws, s^2 the squared length of their mean (less what noise adds to it) and v
    their variance, the mean of n draws holds s^2 / (s^2 + v / n); the median over the images counts. n is a power of
    two, for it is known no better, at least 2, for one draw's lead may be luck, and at most `most`.
    """
    import torch

    found = []
    for _ in range(PROBES):
        victim.redraw()
        found.append(Gradients(victim, loss, 1, 0.0)(images, labels).gradient)
    flat = torch.stack(found).flatten(2).double()
    mean = flat.mean(0)
    noise = (flat - mean).square().sum(2).sum(0) / (PROBES - 1)
    signal = (mean.square().sum(1) - noise / PROBES).clamp_min(0)
    share = float((signal / (signal + noise).clamp_min(1e-300)).nanmedian())
    wanted = (1 - share) / share if share > 0 else math.inf
    count = 2
    while count < wanted and count < most:
        count *= 2
    return min(count, most), share


def _view(losses: list[Tensor], leads: list[Tensor], gradient: Tensor) -> View:
    import torch

    lead = torch.stack(leads)
    spread = lead.std(0) if len(leads) > 1 else torch.zeros_like(leads[0])
    return View(torch.stack(losses).mean(0), lead.mean(0), spread, (lead > 0).float().mean(0), gradient)
