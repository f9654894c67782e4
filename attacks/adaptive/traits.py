"""What kind of classifier an attack meets, as its answers show."""

from __future__ import annotations

from dataclasses import dataclass

from attacks.parts.looking import Gradients
from attacks.parts.losses import margin
from bench import Batch, Route, Victim

ROWS = 8
"""Images that are looked at."""


@dataclass(frozen=True)
class Traits:
    """What decides which attacks are worth their passes.

    `random`: it says so, or answers otherwise under another noise. `routes` lead to a gradient. `flat` says that there
    is none, or that it is zero in every pixel for most images. `abstains` as the classifier says.
    """

    random: bool
    routes: tuple[Route, ...]
    flat: bool
    abstains: bool

    @classmethod
    def of(cls, victim: Victim, batch: Batch) -> Traits:
        """Seen at the first images of a batch; three queries."""
        import torch

        images, labels = batch.images[:ROWS], batch.labels[:ROWS]
        random = not victim.deterministic
        if not random:
            with torch.no_grad():
                first = victim(images)
                victim.redraw()
                random = not torch.equal(first, victim(images))
        routes, flat = victim.routes, True
        if routes:
            slopes = Gradients(victim, margin, 1, 0.0)(images, labels).gradient
            flat = 2 * int(slopes.flatten(1).any(1).sum()) < len(images)
        return cls(random, routes, flat, bool(victim.classifier.abstains))

    @property
    def best(self) -> Route:
        """The route to the truest gradient."""
        return "exact" if "exact" in self.routes else "given"

    def __str__(self) -> str:
        words = ["random" if self.random else "deterministic"]
        if not self.routes:
            words.append("without a gradient")
        elif self.flat:
            words.append("of zero gradient")
        words += [f"with a {route} gradient" for route in ("surrogate", "identity") if route in self.routes]
        words += ["abstaining"] * self.abstains
        return ", ".join(words)
