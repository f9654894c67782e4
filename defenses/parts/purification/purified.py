"""A classifier that sees only purified images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from torch import Generator, Tensor

from bench import Classifier
from defenses.parts.gradients import straight_through, with_a_gradient


class Purifier(Protocol):
    """Images (N, C, H, W) in, purified images (N, C, H, W) out; `shrink` as a classifier's."""

    def __call__(self, images: Tensor, rng: Generator) -> Tensor: ...

    def shrink(self) -> str | None: ...


class StraightThrough:
    """A purifier whose gradient is taken to be the identity's (Athalye et al. 2018, 1802.00420)."""

    def __init__(self, purifier: Purifier) -> None:
        self.purifier = purifier

    def __call__(self, images: Tensor, rng: Generator) -> Tensor:
        """Purified images (N, C, H, W) through which the gradient passes unchanged."""
        return straight_through(self.purifier(images.detach(), rng), images)

    def shrink(self) -> str | None:
        """What the purifier can save."""
        return self.purifier.shrink()


class Purified(Classifier):
    """A purifier in front of a classifier.

    What attacks differentiate instead is `substitute` where there is one. A purifier that is not `exact` has no
    gradient of its own: the identity's takes its place; `precise` makes the same purifier with its gradient where that
    can be had, `cheaper` a classifier of its kind that costs less.
    """

    deterministic = False

    def __init__(
        self,
        purifier: Purifier,
        classifier: Classifier,
        substitute: Classifier | None = None,
        exact: bool = True,
        *,
        precise: Callable[[], Purifier] | None = None,
        cheaper: Callable[[], Classifier] | None = None,
    ) -> None:
        self.purifier = purifier
        self.classifier = classifier
        self.abstains = classifier.abstains
        self.differentiable = substitute is None and exact and classifier.differentiable
        self._substitute, self._exact = substitute, exact
        self._precise, self._cheaper = precise, cheaper

    def __call__(self, images: Tensor, rng: Generator) -> Tensor:
        """The classifier's logits of the purified images."""
        return self.classifier(self.purifier(images, rng), rng)

    def stand_in(self) -> Classifier | None:
        """The substitute; where there is none, an exact purifier before what lends the classifier its gradient."""
        if self._substitute is not None or not self._exact or self.classifier.differentiable:
            return self._substitute
        inner = with_a_gradient(self.classifier)
        return None if inner is None else Purified(self.purifier, inner)

    def exact(self) -> Classifier | None:
        """The same purifier with its gradient, where the default is another's."""
        inner = with_a_gradient(self.classifier)
        if self.differentiable or inner is None or (self._precise is None and not self._exact):
            return None
        return Purified(self.purifier if self._precise is None else self._precise(), inner)

    def surrogate(self) -> Classifier | None:
        """A cheaper classifier of this kind, where there is one."""
        return None if self._cheaper is None else self._cheaper()

    def exhaustive(self) -> Classifier | None:
        """The same purifier before the classifier without its shortcuts."""
        inner = self.classifier.exhaustive()
        return None if inner is None else Purified(self.purifier, inner)

    def identity_stand_in(self) -> Classifier | None:
        """The same with the identity for the purifier's gradient; None where the classifier has none to give."""
        inner = with_a_gradient(self.classifier)
        return None if inner is None else Purified(StraightThrough(self.purifier), inner)

    def shrink(self) -> str | None:
        """What the purifier can save, then what the classifier can."""
        return self.purifier.shrink() or self.classifier.shrink()
