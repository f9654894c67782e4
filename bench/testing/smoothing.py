"""What a smoothed classifier must keep, so that what the harness certifies is what it predicts."""

from __future__ import annotations

from bench.domain.defense import Smoothed
from bench.domain.queries.asking import ask, check_logits
from bench.domain.queries.smoothing import count_votes, noisy
from bench.loading.door import alike
from bench.testing.generators import generator
from bench.testing.loaded import Loaded

VOTES, CLEAR = 64, 0.9
"""Noisy copies whose classes are counted, and the share of them above which a prediction is no matter of luck."""


def has_noise_and_a_base_that_can_be_certified(loaded: Loaded) -> str | None:
    """`sigma` is above 0, and `base` gives each image under it the same logits (N, K) every time, and refuses none."""
    smoothed = loaded.classifier
    assert isinstance(smoothed, Smoothed)
    if not 0 < float(smoothed.sigma) < float("inf"):
        return f"sigma must be a number above 0; got {smoothed.sigma!r}."
    if not isinstance(smoothed.rows, int) or smoothed.rows < 1:
        return f"rows must be a whole number from 1 up; got {smoothed.rows!r}."
    if not smoothed.base.deterministic or smoothed.base.abstains:
        return "base must be deterministic and must not abstain."
    shown = noisy(loaded.images, smoothed.sigma, generator(4, loaded.recipe.device))
    rngs = (generator(seed, loaded.recipe.device) for seed in (1, 2))
    first, again = (ask(smoothed.base, shown.clone(), rng).detach() for rng in rngs)
    check_logits(first, len(shown), len(loaded.recipe.task.classes))
    return None if alike(first, again) else "base gives other logits under another generator; it must not draw."


def predicts_what_its_base_predicts_under_noise(loaded: Loaded) -> str | None:
    """Where nearly all noisy copies are of one class, that class is predicted, or none; else a proof is of another."""
    smoothed = loaded.classifier
    assert isinstance(smoothed, Smoothed)
    rng, classes = generator(4, loaded.recipe.device), len(loaded.recipe.task.classes)
    counts = count_votes(smoothed.base, loaded.images, smoothed.sigma, VOTES, rng, classes, smoothed.rows)
    most, voted = counts.max(1)
    predicted = loaded.logits(loaded.images).argmax(1)
    wrong = (most > CLEAR * VOTES) & (predicted != voted) & (predicted < classes)
    if not bool(wrong.any()):
        return None
    return (
        f"It predicts another class for {int(wrong.sum())} of {len(wrong)} images than nearly all noisy copies have; "
        f"its prediction must be the majority of base under noise of deviation sigma."
    )
