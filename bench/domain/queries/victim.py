"""What an attack sees of a classifier: one function, every query counted, some kept to be put again to a judge."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from bench.domain.blame import blame
from bench.domain.errors import PluginError, UsageError
from bench.domain.queries.asking import (
    WROTE,
    ask,
    ask_together,
    check_unwritten,
    noise_seed,
    with_version,
    without_refusals,
)
from bench.domain.queries.observation import Observation, Query, copied
from bench.domain.queries.routes import Route, routes_of
from bench.domain.queries.spending import Limit
from bench.domain.queries.watching import ignore

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from bench.domain.defense import Classifier, Watch
    from bench.domain.facts import Gradient


class Victim:
    """A classifier under attack.

    A random classifier's noise stays the same from query to query, so that the attacked function is one function and
    its gradient is the prediction's own; `redraw()` moves on to fresh noise (expectation over transformation), unless
    the judge will use the attack's (`fixed_noise`). A `ledger` raises `Spent` when the allowed passes are spent.
    """

    def __init__(
        self,
        classifier: Classifier,
        rng: Generator,
        watch: Watch = ignore,
        audits: int = 0,
        name: str = "The defense",
        classes: int | None = None,
        fixed_noise: bool = False,
        ledger: Limit | None = None,
    ) -> None:
        self.classifier = classifier
        self.watch = watch
        self._name, self._classes = name, classes
        self._rng = rng
        self._seed = rng.initial_seed()
        self._draw, self._is_fixed = 0, fixed_noise
        self._noise = noise_seed(self._seed)  # under which the next query is answered
        self._route: Route = "given"
        self._surrogate: Classifier | None = None
        self._seen = Observation(self._seed, audits)
        self._ledger = ledger or Limit()

    @property
    def deterministic(self) -> bool:
        """Whether equal images always get equal logits, as the classifier says of itself."""
        return self.classifier.deterministic

    @property
    def shares_noise(self) -> bool:
        """Whether the judge will answer under the attack's noise. That belongs to the places in a batch: only who asks
        about the whole batch, in its order, meets it."""
        return self._is_fixed

    @property
    def forwards(self) -> int:
        """Forward passes so far, in samples."""
        return self._seen.forwards

    @property
    def backwards(self) -> int:
        """Backward passes so far, in samples."""
        return self._seen.backwards

    def __call__(self, images: Tensor) -> Tensor:
        """Logits (N, K) of images (N, C, H, W), differentiable wherever the images ask for a gradient.

        Raises `UsageError` when a gradient is asked of a classifier that has none and offers no stand-in, and
        `PluginError` where the classifier writes into the images.
        """
        import torch

        images = with_version(images)
        self._ledger.check()
        self._count(images)
        if self._route == "surrogate" and self._surrogate is not None:
            return self._cheaper(self._surrogate, images)
        place = self._seen.place()
        asked = None if place is None else copied(images)
        if torch.is_grad_enabled() and images.requires_grad:
            logits, query = self._differentiable(images, asked)
        else:
            logits = self._query(self.classifier, images.detach()).detach()
            query = None if asked is None else Query(asked, self._noise, copied(logits))
        check_unwritten(images, asked, self._name)
        self._seen.keep(place, query)
        self._ledger.saw(images.detach(), logits.detach())
        return logits

    def at_once(self, count: int) -> int:
        """About how many fresh draws `together` is best asked at once, of so many images."""
        if self._route != "given" or self._is_fixed or self._ledger.counts or not self.classifier.differentiable:
            return 1
        with blame(self._name):
            return max(1, int(self.classifier.at_once(count)))

    def together(self, images: Tensor, draws: int) -> Tensor:
        """Logits (draws, N, K) of images (N, C, H, W) under so many fresh draws of noise: to rounding what a `redraw`
        and a call each give, and counted like these. Raises what a call raises."""
        import torch

        if self.at_once(len(images)) == 1:
            return torch.stack([self(images) for _ in self.fresh(draws)])
        images = with_version(images)
        self._ledger.check()
        noises, places, asked = [], [], copied(images)
        for _ in self.fresh(draws):
            self._count(images)
            noises.append(self._noise)
            places.append(self._seen.place())
        records = torch.is_grad_enabled() and images.requires_grad
        seen = [images.view_as(images) if records else images.detach() for _ in noises]
        answers = self._queries(seen, noises)
        check_unwritten(images, asked, self._name)
        for view, answer, noise, place in zip(seen, answers, noises, places, strict=True):
            query = None if place is None else Query(asked, noise, copied(answer))
            if records:
                self._seen.follow(view, self._attached(answer), "own", noise, query, self._ledger)
            self._seen.keep(place, query)
            self._ledger.saw(images.detach(), answer.detach())
        return torch.stack(answers if records else [answer.detach() for answer in answers])

    def redraw(self) -> None:
        """Use fresh noise from now on; without effect where attack and judge share one noise."""
        if not self._is_fixed:
            self._draw += 1
            self._noise = noise_seed(self._seed, self._draw)

    def fresh(self, draws: int) -> Iterator[int]:
        """So many turns, each under fresh noise."""
        for draw in range(draws):
            self.redraw()
            yield draw

    def bypass(self) -> None:
        """From now on give the identity's gradient for a purifier's, or the classifier's stand-in's, even where one is
        exact (BPDA; Athalye et al. 2018, 1802.00420); a classifier that has neither keeps its own."""
        self._route = "identity"

    @property
    def routes(self) -> tuple[Route, ...]:
        """The ways to a gradient that `through` can take, the default one first if there is any."""
        return routes_of(self.classifier)

    def through(self, route: Route) -> None:
        """From now on answer along a route. A surrogate answers with logits of its own, every other route with the
        classifier's. Raises `UsageError` where the classifier does not offer it."""
        if route not in ("given", *self.routes):
            raise UsageError(f"{self._name} offers no {route} gradient; it has {', '.join(self.routes) or 'none'}.")
        self._route = route
        if route == "surrogate" and self._surrogate is None:
            self._surrogate = self.classifier.surrogate()

    def observation(self) -> Observation:
        """What the harness saw of the queries."""
        return self._seen

    def _count(self, images: Tensor) -> None:
        self._ledger.charge(len(images))
        self._seen.forwards += len(images)
        self._seen.sizes[len(images)] = self._seen.sizes.get(len(images), 0) + 1

    def _differentiable(self, images: Tensor, asked: Tensor | None) -> tuple[Tensor, Query | None]:
        """The logits with a gradient that is counted on its way back, and the query where it is to be kept."""
        seen = images.view_as(images)  # so that the gradient of this query alone comes by
        source, logits = self._with_gradient(seen)
        query = None if asked is None else Query(asked, self._noise, copied(logits))
        if logits.requires_grad and seen.requires_grad:
            self._seen.follow(seen, logits, source, self._noise, query, self._ledger)
        return logits, query

    def _with_gradient(self, images: Tensor) -> tuple[Gradient, Tensor]:
        bypasses = self._route == "identity"
        straight = self.classifier.identity_stand_in() if bypasses else None
        if straight is not None:
            return "identity", self._query(straight, images)
        exact = self.classifier.exact() if self._route == "exact" else None
        if exact is not None:
            return "exact", self._attached(self._query(exact, images))
        stand_in = self.classifier.stand_in()
        if self.classifier.differentiable and not (bypasses and stand_in is not None):
            return "own", self._attached(self._query(self.classifier, images))
        if stand_in is None:
            straight = self.classifier.identity_stand_in()
            if straight is not None:
                return "identity", self._query(straight, images)
            raise UsageError(
                "This defense has no gradient and offers no stand-in for one; attack it through another model "
                "(--source resnet) or with an attack that needs no gradient."
            )
        approximate = self._query(stand_in, images)
        logits = self._query(self.classifier, images.detach()).detach()
        return "stand-in", logits + (approximate - approximate.detach())  # the classifier's own, to the bit

    def _cheaper(self, surrogate: Classifier, images: Tensor) -> Tensor:
        """A surrogate's answer, which no judge is asked about: it is not the classifier's."""
        import torch

        self._seen.queries += 1
        if not (torch.is_grad_enabled() and images.requires_grad):
            return self._query(surrogate, images.detach()).detach()
        seen = images.view_as(images)
        logits = self._attached(self._query(surrogate, seen))
        self._seen.follow(seen, logits, "surrogate", self._noise, None, self._ledger)
        return logits

    def _attached(self, logits: Tensor) -> Tensor:
        if not logits.requires_grad:
            raise PluginError(
                f"{self._name} calls itself differentiable, but no gradient leads from its logits to the images; set "
                f"differentiable = False.",
                culprit=self._name,
            )
        return logits

    def _query(self, classifier: Classifier, images: Tensor) -> Tensor:
        self._rng.manual_seed(self._noise)
        written = images._version
        with blame(self._name):
            logits = without_refusals(ask(classifier, images, self._rng, self._classes), classifier)
        if images._version != written:
            raise PluginError(f"{self._name} {WROTE}", culprit=self._name)
        return logits

    def _queries(self, images: list[Tensor], noises: list[int]) -> list[Tensor]:
        """The logits of several batches, each under its noise, in one go."""
        import torch

        rngs = [torch.Generator(self._rng.device).manual_seed(noise) for noise in noises]
        with blame(self._name):
            found = ask_together(self.classifier, images, rngs, self._classes)
        return [without_refusals(logits, self.classifier) for logits in found]
