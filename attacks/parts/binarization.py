"""The binarization test (Zimmermann et al. 2022, 2206.13991): does an attack find what is known to be there?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from attacks.parts.ascent import steepest
from bench import ThreatModel, Victim

if TYPE_CHECKING:
    from torch import Generator, Tensor

INNER = 64
"""Random images well inside the budget that a readout must call clean, beside the clean image itself."""
INSIDE = 0.5
"""Their share of the budget."""
TRIES = 8
"""Images on the edge of the budget that are tried until a readout separates one from the inner ones."""
GUESSES = 64
"""Random images on the edge by which the test's difficulty is measured."""
ASKED = 512
"""Images that the victim is asked about at once."""


@dataclass(frozen=True)
class Readouts:
    """A linear readout of a classifier's logits a sample, z = (f(x) - centre) w + b, above 0 on a hidden image at the
    edge of the budget and below on all inner ones: weights (N, K), `offset` (N,), and which samples (N,) have one."""

    weights: Tensor
    offset: Tensor
    found: Tensor

    def __call__(self, logits: Tensor) -> Tensor:
        """The readouts (N,) of logits (N, K)."""
        return (logits * self.weights).sum(1) + self.offset


@dataclass(frozen=True)
class Binarization:
    """How many samples had a readout, on how many the attack found an image that it calls adversarial, and on how many
    random images at the edge did."""

    tested: int
    found: int
    guessed: int


def binarization(
    victim: Victim, images: Tensor, threat: ThreatModel, steps: int, step_size: float, rng: Generator
) -> Binarization:
    """The test of PGD in `steps` steps of `step_size` from a random start.

    Deviations: the features under the readout are the logits, for a classifier shows no others; 64 inner images instead
    of 999; and of up to eight images at the edge the first is hidden that a readout separates.
    """
    import torch

    readouts = _readouts(victim, images, threat, rng)
    if not bool(readouts.found.any()):
        return Binarization(0, 0, 0)
    moved = threat.project(images, images + INSIDE * (_edge(threat, images, rng) - images))
    found = torch.zeros_like(readouts.found)
    for step in range(steps + 1):
        asked = moved.detach().clone().requires_grad_()
        with torch.enable_grad():
            heights = readouts(victim(asked))
        found |= heights.detach() > 0
        if step == steps:
            break
        gradient = torch.autograd.grad(heights.sum(), asked)[0]
        moved = threat.project(images, moved + step_size * steepest(threat.norm, gradient))
    guessed = torch.zeros_like(found)
    for _ in range(GUESSES):
        with torch.no_grad():
            guessed |= readouts(victim(_edge(threat, images, rng))) > 0
    tested = readouts.found
    return Binarization(int(tested.sum()), int((found & tested).sum()), int((guessed & tested).sum()))


def _readouts(victim: Victim, images: Tensor, threat: ThreatModel, rng: Generator) -> Readouts:
    """One a sample, by ridge regression on the inner images and one at the edge, its threshold between them."""
    import torch

    inner = [images, *(images + INSIDE * (_edge(threat, images, rng) - images) for _ in range(INNER))]
    seen = torch.stack([_logits(victim, each) for each in inner], 1).double()
    centre = seen.mean(1, keepdim=True)
    flat = seen - centre
    spread = flat.transpose(1, 2) @ flat / flat.shape[1]
    ridge = spread.diagonal(dim1=1, dim2=2).mean(1).clamp_min(1e-12)[:, None, None]
    eye = torch.eye(spread.shape[1], dtype=spread.dtype, device=spread.device)
    inverse = torch.linalg.inv(spread + 1e-3 * ridge * eye)
    weights, offset = torch.zeros_like(centre[:, 0]), torch.zeros_like(centre[:, 0, 0])
    found = torch.zeros(len(images), dtype=torch.bool, device=images.device)
    for _ in range(TRIES):
        hidden = _logits(victim, _edge(threat, images, rng)).double() - centre[:, 0]
        direction = (inverse @ hidden[:, :, None])[:, :, 0]
        top = (flat @ direction[:, :, None])[:, :, 0].amax(1)
        height = (hidden * direction).sum(1)
        fits = (height > top) & ~found
        # the threshold lies near the hidden image, so that luck finds it rarely
        line = top + 0.9 * (height - top)
        weights[fits], offset[fits] = direction[fits], (-line - (centre[:, 0] * direction).sum(1))[fits]
        found |= fits
    return Readouts(weights.float(), offset.float(), found)


def _edge(threat: ThreatModel, images: Tensor, rng: Generator) -> Tensor:
    """Random images at the edge of the budget: a random sign a pixel, or a random direction."""
    import torch

    noise = torch.empty_like(images).normal_(generator=rng)
    return threat.project(images, images + threat.radius * steepest(threat.norm, noise))


def _logits(victim: Victim, images: Tensor) -> Tensor:
    import torch

    with torch.no_grad():
        return torch.cat([victim(part) for part in torch.split(images, ASKED)])
