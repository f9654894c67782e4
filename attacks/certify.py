"""Certificates of smoothed classifiers: no attack, but radii within which none can succeed."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, ClassVar

from bench import Attack, Certificate, Perturbed, Smoothed, UsageError, clopper_pearson

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from bench import Batch, ThreatModel, Victim

PARTS = 100
"""How often progress is told: the draws are counted in this many parts."""


@dataclass(frozen=True)
class CertifyL2(Attack):
    """CERTIFY of randomized smoothing (Cohen et al. 2019, 1902.02918): an l2 radius a sample, wrong with probability
    `alpha`.

    `n0` noisy copies choose the class, `n` others bound its probability from below by p (one-sided Clopper-Pearson):
    the radius is sigma times the normal quantile of p, and below p = 1/2 the certifier abstains. The paper takes
    n = 100,000; the default is a tenth of it, with which the largest radius is 3.20 instead of 3.81 sigma.
    """

    norm: ClassVar[str] = "l2"
    knowledge = "certified"
    n0: int = 100
    n: int = 10_000
    alpha: float = 0.001

    def __post_init__(self) -> None:
        if self.n0 < 1 or self.n < 1:
            raise UsageError(f"n0 and n must be at least 1; got {self.n0} and {self.n}.")
        if not 0 < self.alpha < 1:
            raise UsageError(f"alpha must lie between 0 and 1; got {self.alpha}.")

    def perturb(self, victim: Victim, batch: Batch, threat: ThreatModel, rng: Generator) -> Perturbed:
        """The clean images and their certificate; every noisy copy counts as a query.

        Raises `UsageError` where the classifier is not a `bench.Smoothed`.
        """
        import torch

        classifier = victim.classifier
        if not isinstance(classifier, Smoothed):
            raise UsageError(
                f"Only smoothed classifiers can be certified; {type(classifier).__name__} is none. "
                f"Take a defense such as smoothing."
            )
        chosen = self._counts(victim, classifier, batch.images, self.n0, rng).argmax(1)
        counts = self._counts(victim, classifier, batch.images, self.n, rng)
        votes = counts.gather(1, chosen[:, None]).flatten().tolist()
        bounds = [clopper_pearson(vote, self.n, self.alpha) for vote in votes]
        radii = [classifier.sigma * NormalDist().inv_cdf(bound) if bound >= 0.5 else 0.0 for bound in bounds]
        abstains = torch.tensor([bound < 0.5 for bound in bounds], device=chosen.device)
        certificate = Certificate(chosen.masked_fill(abstains, -1), torch.tensor(radii, dtype=torch.float64))
        return Perturbed(batch.images, certificate=certificate)

    def _counts(self, victim: Victim, classifier: Smoothed, images: Tensor, draws: int, rng: Generator) -> Tensor:
        part = -(-draws // PARTS)
        counts = classifier.counts(images, min(part, draws), rng)
        for done in range(part, draws, part):
            victim.watch(done, draws, "noisy copies")
            counts = counts + classifier.counts(images, min(part, draws - done), rng)
        victim.forwards += draws * len(images)
        return counts
