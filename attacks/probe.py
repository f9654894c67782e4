"""PGD that looks at itself: what `bench diagnose` reads off one run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from attacks.parts.ascent import random_start, slope, steepest
from attacks.parts.binarization import binarization
from attacks.parts.losses import cross_entropy, margin
from attacks.parts.making import in_norms
from attacks.parts.settings import at_least_one
from bench import Attack, Batch, Perturbed, ThreatModel, Victim

if TYPE_CHECKING:
    from torch import Generator, Tensor

LEVELS = 255
"""Grey levels of a pixel of 8 bits."""
SMALL, LARGE = 1e-10, 1e6
"""Largest entries of a gradient below which it has vanished, and above which it has exploded."""


@dataclass(frozen=True)
class Probe(Attack):
    """PGD on the margin from a random start, whose last iterate is rounded to 8 bits, and which counts on its way.

    It tells of how many samples: `rows`; `misled_last` by the last iterate, `misled_any` by some iterate (a silent
    success where only by that), `misled_rounded` by the last one rounded; `zero`, `vanishing`, `exploding` gradients
    and `saturated` ones (that of the cross-entropy is zero where the margin's is not) at the start; and of the
    binarization test (Zimmermann et al. 2022, 2206.13991) how many were `tested`, `found`, and `guessed` by chance.
    Steps are of 2.5 epsilon / `steps`. Indicators after Pintor et al. 2022, 2106.09947.
    """

    steps: int = 40

    def __post_init__(self) -> None:
        at_least_one(self, "steps")

    def perturb(self, victim: Victim, batch: Batch, threat: ThreatModel, rng: Generator) -> Perturbed:
        """The rounded last iterate, within `threat`; equal generators give equal images."""
        import torch

        images, labels, size = batch.images, batch.labels, 2.5 * threat.radius / self.steps
        told = {"rows": len(images), **_gradients(victim, images, labels)}
        moved = (images + random_start(self.norm, images, threat.radius, rng)).clamp(0, 1)
        ever = torch.zeros_like(labels, dtype=torch.bool)
        for step in range(self.steps):
            _, lead, gradient = slope(victim, moved, labels, margin)
            ever |= lead > 0
            moved = threat.project(images, moved + size * steepest(self.norm, gradient))
            victim.watch(step + 1, 2 * self.steps, "gradient steps")
        rounded = rounded_towards(images, moved, threat)
        with torch.no_grad():
            last, coarse = (margin(victim(each), labels) > 0 for each in (moved, rounded))
        told |= {"misled_any": int((ever | last).sum()), "misled_last": int(last.sum())}
        told["misled_rounded"] = int(coarse.sum())
        victim.watch(1, 2, "binarization test")
        test = binarization(victim, images, threat, self.steps, size, rng)
        told |= {"tested": test.tested, "found": test.found, "guessed": test.guessed}
        return Perturbed(rounded, told=told)


ProbeLinf, ProbeL2 = in_norms(
    Probe,
    ("linf", "l2"),
    "PGD in {norm} that looks at itself: gradients, silent successes, rounding to 8 bits, and the binarization test.",
)


def rounded_towards(clean: Tensor, perturbed: Tensor, threat: ThreatModel) -> Tensor:
    """Images whose pixels are whole grey levels, each on the clean pixel's side of the perturbed one."""
    import torch

    scaled = perturbed * LEVELS
    coarse = torch.where(perturbed > clean, scaled.floor(), scaled.ceil()) / LEVELS
    return threat.project(clean, torch.where(perturbed == clean, clean, coarse))


def _gradients(victim: Victim, images: Tensor, labels: Tensor) -> dict[str, int]:
    """Of how many images the gradient at the clean image is zero, vanishing, exploding or saturated."""
    slopes = (slope(victim, images, labels, loss)[2] for loss in (margin, cross_entropy))
    sizes, of_loss = (each.flatten(1).abs().amax(1) for each in slopes)
    return {
        "zero": int((sizes == 0).sum()),
        "vanishing": int(((sizes > 0) & (sizes < SMALL)).sum()),
        "exploding": int((~(sizes <= LARGE)).sum()),
        "saturated": int(((of_loss == 0) & (sizes > 0)).sum()),
    }
