"""Whose gradient an attack is given where a classifier has none of its own to give."""

from __future__ import annotations

from torch import Generator, Tensor

from bench import Classifier


def straight_through(values: Tensor, slopes: Tensor) -> Tensor:
    """These values to the bit, with the gradient of `slopes` (Bengio et al. 2013, 1308.3432)."""
    return values.detach() + (slopes - slopes.detach())


def differentiable(classifier: Classifier) -> Classifier | None:
    """What autograd goes through in a classifier's place: itself, its stand-in, or itself with the identity for what
    purifies; None where it has none of these."""
    if classifier.differentiable:
        return classifier
    stand_in = classifier.stand_in()
    return classifier.identity_stand_in() if stand_in is None else stand_in


def with_a_gradient(classifier: Classifier) -> Classifier | None:
    """A classifier of the same logits through which autograd goes; None where there is none."""
    if classifier.differentiable:
        return classifier
    stand_in = classifier.stand_in()
    return classifier.identity_stand_in() if stand_in is None else _Lent(classifier, stand_in)


class _Lent(Classifier):
    """A classifier's logits with the gradient of another's, which is asked after it; what it refuses is left out."""

    def __init__(self, classifier: Classifier, lender: Classifier) -> None:
        self.deterministic = classifier.deterministic
        self._classifier, self._lender = classifier, lender

    def __call__(self, images: Tensor, rng: Generator) -> Tensor:
        """Logits (N, K)."""
        logits, lent = self._classifier(images.detach(), rng), self._lender(images, rng)
        return straight_through(
            logits[:, :-1] if self._classifier.abstains else logits, lent[:, :-1] if self._lender.abstains else lent
        )

    def shrink(self) -> str | None:
        """What either can save."""
        return self._classifier.shrink() or self._lender.shrink()
