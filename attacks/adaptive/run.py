"""One batch under the composed attack: which parts run on which classifier, and which image of each sample is kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from attacks.adaptive.composition import Composition
from attacks.adaptive.square import square
from attacks.adaptive.traits import ROWS, Traits
from attacks.parts.ascent import random_start
from attacks.parts.auto_pgd import Best, Problem, auto_pgd, plain_pgd
from attacks.parts.looking import Differences, Gradients, Look, answers, draws_for, rivals
from attacks.parts.losses import LOSSES
from attacks.parts.settings import exact_step
from bench import Attack, Batch, Route, ThreatModel, Victim

if TYPE_CHECKING:
    from torch import Generator, Tensor

Find = Callable[["Tensor", "Tensor"], "Tensor"]
"""From clean images and labels to a part's proposals."""


@dataclass
class Run:
    """One batch under attack: the best image so far of each sample, and to which part it fell."""

    attack: Composition
    victim: Victim
    batch: Batch
    threat: ThreatModel
    rng: Generator
    traits: Traits
    remarks: list[str] = field(default_factory=list)
    _part: tuple[int, int, str] = (0, 1, "")

    def __post_init__(self) -> None:
        self.checks = self.attack.checks if self.traits.random and not self.victim.shares_noise else 1
        self.images = self.batch.images.clone()
        wrong, _ = answers(self.victim, self.images, self.batch.labels, self.checks)
        self.fell_to = ["clean" if share > 0.5 else "" for share in wrong.tolist()]
        self.open = self._going(wrong < 1).nonzero().flatten()
        self.remarks.append(f"adaptive: the classifier is {self.traits}")

    def against_a_function(self) -> None:
        """AutoAttack as everybody runs it, then what it lacks."""
        attack, traits = self.attack, self.traits
        parts: list[tuple[str, Find]] = []
        if traits.routes:
            found = attack.autoattack().perturb(self.victim, self.batch, self.threat, self.rng)
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
        self.open = self.open[self._going(wrong < 1)]

    def _going(self, going: Tensor) -> Tensor:
        """The samples still to attack; all while there is one where the judge shares the noise, which belongs to the
        places in a batch."""
        return going.any().expand_as(going) if self.victim.shares_noise else going

    def _take(self, images: Tensor, names: tuple[str, ...]) -> None:
        """Take AutoAttack's images, which misled a deterministic classifier wherever it names a part."""
        fell = [row for row in self.open.tolist() if row < len(names) and names[row] not in ("", "clean")]
        self.images[fell] = images[fell]
        for row in fell:
            self.fell_to[row] = names[row]
        self.open = self.open[[row not in set(fell) for row in self.open.tolist()]]

    def _draws(self) -> int:
        """How many gradients a step averages: as many as were asked for, or as their variance demands."""
        if self.victim.shares_noise:
            return 1  # every draw is the same
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
        draws = 2 if self.traits.random and not self.victim.shares_noise else 1
        return square(self.victim, images, labels, self.threat, self.attack.n_queries, draws, self.rng)

    def _problem(self, look: Look, images: Tensor, labels: Tensor) -> Problem:
        return Problem(look, images, labels, self.threat, whole=self.victim.shares_noise)

    def _tell(self, step: int, left: int) -> None:
        number, parts, name = self._part
        share = number + step / max(1, self.attack.n_iter, self.attack.pgd_steps)
        self.victim.watch(share, parts, f"{name}, {left} samples open")


def _along(route: Route) -> str:
    return "" if route in ("given", "exact") else f" ({route})"


def _rounded(share: float) -> str:
    """A share in words that do not change with every shard."""
    return next((f"{percent} %" for percent in (80, 50, 20, 10, 5, 2, 1) if share >= percent / 100), "less than 1 %")
