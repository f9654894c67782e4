"""What the composed attack is made of: its parts' settings and their published defaults."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from attacks.a3 import A3
from attacks.autoattack.recipe import VERSIONS, AutoAttack
from attacks.malt import Malt
from attacks.parts.losses import LOSSES
from attacks.parts.settings import at_least_one, exact_step
from bench import Attack, UsageError


@dataclass(frozen=True)
class Composition(Attack):
    """The strongest attack that is known on each kind of classifier, in the norm of a subclass.

    What the classifier is, is looked at, not asked: whether it answers otherwise under another noise, whether its
    gradient is zero, and which other gradients it offers. Then these parts run, each on the samples that are not yet
    beyond doubt, and of every sample the image is kept that misleads more of `checks` fresh draws (or, equally many, by
    the larger mean lead), both asked under the same draws:

    - deterministic: AutoAttack in `version` (Croce and Hein 2020, 2003.01690), then A3 of up to `restarts` restarts,
      MALT of `targets` targets, and APGD on the margin.
    - random: APGD on the mean over draws, for each of `losses`, and on the first of them from `starts` random points;
      PGD on it, `pgd_steps` of `pgd_step_size` (Lee and Kim 2023, 2303.09051); where the classifier has these, the
      first loss along a cheaper surrogate's gradient before all others, which then start from what that found, and
      past a purifier's by the identity (BPDA; Athalye et al. 2018, 1802.00420).
    - without a gradient, or of zero gradient: APGD on the margin along estimated gradients (SPSA; Uesato et al. 2018,
      1802.05666) of `directions` signs.
    - Square on top (Andriushchenko et al. 2020, 1912.00049), of a random classifier on its mean over two draws.

    `draws` averages so many gradients a step; None measures how many make half of the averaged gradient signal, up to
    `most_draws`: AutoAttack's and Lee and Kim's 20. Logits whose weight in a loss is below `negligible` of the largest
    get no gradient: a diffusion classifier's backward pass costs as much as classes carry weight.
    """

    knowledge = "adaptive"
    plain: ClassVar[type[AutoAttack]]
    short: ClassVar[type[A3]]
    near: ClassVar[type[Malt]]
    version: str = "standard"
    losses: tuple[str, ...] = ("margin", "ce", "dlr")
    starts: int = 1
    restarts: int = 50
    targets: int = 9
    n_iter: int = 100
    draws: int | None = None
    most_draws: int = 20
    pgd_steps: int = 200
    pgd_step_size: str = "0.007"
    n_queries: int = 5000
    directions: int = 64
    checks: int = 10
    negligible: float = 0.01

    def __post_init__(self) -> None:
        at_least_one(self, "starts", "n_iter", "most_draws", "directions", "checks", "draws")
        for name in ("restarts", "targets", "pgd_steps", "n_queries"):
            if getattr(self, name) < 0:
                raise UsageError(f"{name} must be at least 0, which leaves that part out; got {getattr(self, name)}.")
        exact_step(self.pgd_step_size)
        if not 0 <= self.negligible < 1:
            raise UsageError(f"negligible is a share from 0 to below 1; got {self.negligible}.")
        if self.version not in ("standard", "plus"):
            raise UsageError(f"version must be standard or plus; got {self.version!r}.")
        if not self.losses:
            raise UsageError(f"losses must name at least one of {', '.join(LOSSES)}.")
        for name in self.losses:
            if name not in LOSSES:
                raise UsageError(f"No loss is called {name!r}; choose from {', '.join(LOSSES)}.")

    def autoattack(self) -> AutoAttack:
        """The part that is AutoAttack: its own numbers in its version "standard" are these settings' defaults."""
        if self.n_queries:
            return self.plain(self.version, n_iter=self.n_iter, n_queries=self.n_queries)
        blind = tuple(name for name in VERSIONS[self.version] if name != "square")
        restarts = 1 if self.version == "standard" else None
        return self.plain("custom", blind, n_restarts=restarts, n_iter=self.n_iter)
