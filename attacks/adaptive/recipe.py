"""The composed attack: which parts run on which classifier, and which image of each sample is proposed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from attacks.a3 import A3, A3L2, A3Linf
from attacks.adaptive.square import square
from attacks.adaptive.traits import ROWS, Traits
from attacks.ascent import at_least_one, exact_step, random_start
from attacks.auto_pgd import Best, Problem, auto_pgd, plain_pgd
from attacks.autoattack import AutoAttackL2, AutoAttackLinf
from attacks.autoattack.recipe import AutoAttack
from attacks.looking import Differences, Gradients, Look, answers, draws_for, rivals
from attacks.losses import LOSSES
from attacks.malt import Malt, MaltL2, MaltLinf
from bench import Attack, Batch, Perturbed, UsageError

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from bench import Route, ThreatModel, Victim

Find = Callable[["Tensor", "Tensor"], "Tensor"]
"""From clean images and labels to a part's proposals."""


@dataclass(frozen=True)
class Adaptive(Attack):
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
        for name in ("starts", "n_iter", "most_draws", "directions", "checks"):
            at_least_one(name, getattr(self, name))
        if self.draws is not None:
            at_least_one("draws", self.draws)
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

    def perturb(self, victim: Victim, batch: Batch, threat: ThreatModel, rng: Generator) -> Perturbed:
        """Images within `threat`, clean where nothing misleads more draws, and the part that each sample fell to."""
        run = Run(self, victim, batch, threat, rng, Traits.of(victim, batch))
        if run.traits.random:
            run.against_randomness()
        else:
            run.against_a_function()
        return Perturbed(run.images, remarks=tuple(run.remarks), fell_to=tuple(run.fell_to))

    def _autoattack(self) -> AutoAttack:
        # its own numbers in its version "standard" are these settings' defaults
        return self.plain(self.version, n_iter=self.n_iter, n_queries=self.n_queries or None)


@dataclass
class Run:
    """One batch under attack: the best image so far of each sample, and to which part it fell."""

    attack: Adaptive
    victim: Victim
    batch: Batch
    threat: ThreatModel
    rng: Generator
    traits: Traits
    remarks: list[str] = field(default_factory=list)
    _part: tuple[int, int, str] = (0, 1, "")

    def __post_init__(self) -> None:
        self.checks = self.attack.checks if self.traits.random else 1
        self.images = self.batch.images.clone()
        wrong, _ = answers(self.victim, self.images, self.batch.labels, self.checks)
        self.fell_to = ["clean" if share > 0.5 else "" for share in wrong.tolist()]
        self.open = (wrong < 1).nonzero().flatten()
        self.remarks.append(f"adaptive: the classifier is {self.traits}")

    def against_a_function(self) -> None:
        """AutoAttack as everybody runs it, then what it lacks."""
        attack, traits = self.attack, self.traits
        parts: list[tuple[str, Find]] = []
        if traits.routes:
            found = attack._autoattack().perturb(self.victim, self.batch, self.threat, self.rng)
            self.remarks += found.remarks
            self._take(found.images, found.fell_to or ())
            if attack.restarts:
                parts += [("a3", self._whole(attack.short(attack.restarts)))]
            if attack.targets:
                parts += [("malt", self._whole(attack.near(attack.n_iter, attack.targets)))]
            parts += [
                (f"apgd-margin{_along(route)}", self._climber("margin", route, 1))
                for route in ("given", "exact", "surrogate", "identity")
                if route in traits.routes
            ]
        if traits.flat:
            parts += [("spsa", self._estimator())]
        if not traits.routes and attack.n_queries:
            parts += [("square", self._squares)]
        self._run(parts)

    def against_randomness(self) -> None:
        """Everything in expectation, the cheap gradient first."""
        attack, traits = self.attack, self.traits
        parts: list[tuple[str, Find]] = []
        if traits.routes and len(self.open):
            draws, first = self._draws(), attack.losses[0]
            is_led = "surrogate" in traits.routes
            if is_led:
                parts += [(f"apgd-{first} (surrogate)", self._climber(first, "surrogate", draws))]
            for loss in attack.losses:
                climb = self._climber(loss, traits.best, draws, onward=is_led)
                parts += [(f"apgd-{loss}{_along(traits.best)}", climb)]
            if "identity" in traits.routes or traits.best != "given":
                bypass: Route = "identity" if "identity" in traits.routes else "given"
                parts += [(f"apgd-{first}{_along('identity')}", self._climber(first, bypass, draws))]
            again = self._climber(first, traits.best, draws)
            parts += [(f"apgd-{first}, start {start}", again) for start in range(2, attack.starts + 1)]
            if attack.pgd_steps:
                parts += [(f"pgd-ce{_along(traits.best)}", self._walker(traits.best, draws))]
        if traits.flat:
            parts += [("spsa", self._estimator())]
        if attack.n_queries:
            parts += [("square", self._squares)]
        self._run(parts)

    def _run(self, parts: list[tuple[str, Find]]) -> None:
        for number, (name, find) in enumerate(parts):
            if len(self.open) == 0:
                return
            self._part = number, len(parts), name
            self.victim.watch(number, len(parts), f"{name}, {len(self.open)} samples open")
            found = find(self.batch.images[self.open], self.batch.labels[self.open])
            self.victim.through("given")
            self._compare(found, name)

    def _compare(self, found: Tensor, name: str) -> None:
        """Keep of the open samples' images the better ones, and close the samples that every draw misclassifies."""
        import torch

        labels, kept = self.batch.labels[self.open], self.images[self.open]
        (old, old_lead), (new, new_lead) = rivals(self.victim, [kept, found], labels, self.checks)
        better = (new > old) | ((new == old) & (new_lead > old_lead))
        self.images[self.open] = torch.where(better.view(-1, 1, 1, 1), found, kept)
        wrong = torch.where(better, new, old)
        for row, is_better, share in zip(self.open.tolist(), better.tolist(), new.tolist(), strict=True):
            if is_better and share > 0.5 and not self.fell_to[row]:
                self.fell_to[row] = name
        self.open = self.open[wrong < 1]

    def _take(self, images: Tensor, names: tuple[str, ...]) -> None:
        """Take AutoAttack's images, which misled a deterministic classifier wherever it names a part."""
        fell = [row for row in self.open.tolist() if row < len(names) and names[row] not in ("", "clean")]
        self.images[fell] = images[fell]
        for row in fell:
            self.fell_to[row] = names[row]
        self.open = self.open[[row not in set(fell) for row in self.open.tolist()]]

    def _draws(self) -> int:
        """How many gradients a step averages: as many as were asked for, or as their variance demands."""
        if self.attack.draws is not None:
            return self.attack.draws
        rows = self.open[:ROWS]
        self.victim.through(self.traits.best)
        images, labels = self.batch.images[rows], self.batch.labels[rows]
        count, share = draws_for(self.victim, images, labels, LOSSES["margin"], self.attack.most_draws)
        self.victim.through("given")
        self.remarks.append(f"adaptive: {count} draws a gradient, for about {_rounded(share)} of one draw's is signal")
        return count

    def _climber(self, loss: str, route: Route, draws: int, onward: bool = False) -> Find:
        """APGD from a random point, or `onward` from what the parts before found."""

        def find(images: Tensor, labels: Tensor) -> Tensor:
            self.victim.through(route)
            look = Gradients(self.victim, LOSSES[loss], draws, self.attack.negligible)
            return self._climb(look, images, labels, onward)

        return find

    def _estimator(self) -> Find:
        def find(images: Tensor, labels: Tensor) -> Tensor:
            width = self.threat.radius / 2
            if self.threat.norm == "l2":
                width /= images[0].numel() ** 0.5
            random, count = self.traits.random, self.attack.directions
            look = Differences(self.victim, LOSSES["margin"], count, width, random, self.rng)
            return self._climb(look, images, labels)

        return find

    def _walker(self, route: Route, draws: int) -> Find:
        def find(images: Tensor, labels: Tensor) -> Tensor:
            self.victim.through(route)
            look = Gradients(self.victim, LOSSES["ce"], draws, self.attack.negligible)
            size = float(exact_step(self.attack.pgd_step_size))
            return plain_pgd(self._problem(look, images, labels), self.attack.pgd_steps, size, self._tell).images

        return find

    def _climb(self, look: Look, images: Tensor, labels: Tensor, onward: bool = False) -> Tensor:
        import torch

        start = (images + random_start(self.threat.norm, images, self.threat.radius, self.rng)).clamp(0, 1)
        if onward:
            found = self.images[self.open]
            is_found = (found != images).flatten(1).any(1).view(-1, 1, 1, 1)
            start = torch.where(is_found, found, start)
        problem = self._problem(look, images, labels)
        best: Best = auto_pgd(problem, start, self.attack.n_iter, self._tell)
        return best.images

    def _whole(self, whole: Attack) -> Find:
        """Another attack of ours as a part, as it comes."""

        def find(images: Tensor, labels: Tensor) -> Tensor:
            indices = tuple(self.batch.indices[row] for row in self.open.tolist())
            found = whole.perturb(self.victim, Batch(indices, images, labels), self.threat, self.rng)
            return found.images

        return find

    def _squares(self, images: Tensor, labels: Tensor) -> Tensor:
        draws = 2 if self.traits.random else 1
        return square(self.victim, images, labels, self.threat, self.attack.n_queries, draws, self.rng)

    def _problem(self, look: Look, images: Tensor, labels: Tensor) -> Problem:
        return Problem(look, images, labels, self.threat)

    def _tell(self, step: int, left: int) -> None:
        number, parts, name = self._part
        share = number + step / max(1, self.attack.n_iter, self.attack.pgd_steps)
        self.victim.watch(share, parts, f"{name}, {left} samples open")


@dataclass(frozen=True)
class AdaptiveLinf(Adaptive):
    """The strongest known attack on each kind of defense in linf: AutoAttack on nets, gradients in expectation through
    every offered route on random ones, estimates and Square where gradients fail."""

    norm: ClassVar[str] = "linf"
    plain: ClassVar[type[AutoAttack]] = AutoAttackLinf
    short: ClassVar[type[A3]] = A3Linf
    near: ClassVar[type[Malt]] = MaltLinf


@dataclass(frozen=True)
class AdaptiveL2(Adaptive):
    """The strongest known attack on each kind of defense in l2: AutoAttack on nets, gradients in expectation through
    every offered route on random ones, estimates and Square where gradients fail."""

    norm: ClassVar[str] = "l2"
    plain: ClassVar[type[AutoAttack]] = AutoAttackL2
    short: ClassVar[type[A3]] = A3L2
    near: ClassVar[type[Malt]] = MaltL2


def _along(route: Route) -> str:
    return "" if route in ("given", "exact") else f" ({route})"


def _rounded(share: float) -> str:
    """A share in words that do not change with every shard."""
    return next((f"{percent} %" for percent in (80, 50, 20, 10, 5, 2, 1) if share >= percent / 100), "less than 1 %")
