"""What an attack sees of a classifier: one function, every query counted."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from bench.domain.errors import PluginError, UsageError

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from bench.domain.defense import Classifier, Watch


def ignore(done: float, total: float, note: str = "") -> None:
    """A `Watch` that looks away."""


class Victim:
    """A classifier under attack.

    A random classifier's noise stays the same from query to query, so that the attacked function is one function and
    its gradient is the prediction's own; `redraw()` moves on to fresh noise (expectation over transformation).
    `forwards` and `backwards` count passes in samples.
    """

    def __init__(self, classifier: Classifier, rng: Generator, watch: Watch = ignore) -> None:
        self.classifier = classifier
        self.watch = watch
        self.forwards = 0
        self.backwards = 0
        self._rng = rng
        self._seed = rng.initial_seed()
        self._draw = 0
        self._bypasses = False

    def __call__(self, images: Tensor) -> Tensor:
        """Logits (N, K) of images (N, C, H, W), differentiable wherever the images ask for a gradient.

        Raises `UsageError` when a gradient is asked of a classifier that has none and offers no stand-in.
        """
        import torch

        self.forwards += len(images)
        wants_gradient = torch.is_grad_enabled() and images.requires_grad
        logits = self._differentiable(images) if wants_gradient else self._query(self.classifier, images)
        if wants_gradient and logits.requires_grad:
            logits.register_hook(self._count_backward)
        return logits

    def redraw(self) -> None:
        """Use fresh noise from now on."""
        self._draw += 1

    def bypass(self) -> None:
        """From now on give the identity's gradient for a purifier's, or the classifier's stand-in's, even where one is
        exact (BPDA; Athalye et al. 2018, 1802.00420); a classifier that has neither keeps its own."""
        self._bypasses = True

    def _differentiable(self, images: Tensor) -> Tensor:
        straight = self.classifier.identity_stand_in() if self._bypasses else None
        if straight is not None:
            return self._query(straight, images)
        bypassed = self._bypasses and self.classifier.stand_in() is not None
        if self.classifier.differentiable and not bypassed:
            return self._query(self.classifier, images)
        stand_in = self.classifier.stand_in()
        if stand_in is None:
            raise UsageError(
                "This defense has no gradient and offers no stand-in for one; attack it through another model "
                "(--source resnet) or with an attack that needs no gradient."
            )
        approximate = self._query(stand_in, images)
        return approximate + (self._query(self.classifier, images.detach()) - approximate).detach()

    def _query(self, classifier: Classifier, images: Tensor) -> Tensor:
        digest = hashlib.sha256(f"{self._seed}/{self._draw}".encode()).digest()
        self._rng.manual_seed(int.from_bytes(digest[:8], "big") >> 1)
        logits = check_logits(classifier(images, self._rng), len(images))
        return logits[:, :-1] if classifier.abstains else logits

    def _count_backward(self, gradient: Tensor) -> None:
        self.backwards += len(gradient)


def check_logits(logits: Tensor, count: int, classes: int | None = None) -> Tensor:
    """The same logits if they are finite floats (count, K); else a `PluginError` that says what came instead."""
    import torch

    if not isinstance(logits, torch.Tensor):
        raise PluginError(f"The classifier returned {type(logits).__name__}; it must return a tensor of logits (N, K).")
    expected = f"({count}, {classes if classes is not None else 'K'})"
    if logits.ndim != 2 or len(logits) != count or (classes is not None and logits.shape[1] != classes):
        raise PluginError(f"The classifier returned logits of shape {tuple(logits.shape)}; {expected} was expected.")
    if not logits.is_floating_point():
        raise PluginError(f"The classifier returned {logits.dtype} values; logits must be floating point.")
    if not bool(logits.isfinite().all()):
        bad = int((~logits.isfinite()).any(1).sum())
        raise PluginError(f"The classifier returned NaN or infinite logits for {bad} of {count} images.")
    return logits
