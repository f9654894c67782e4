"""Whose gradient an attack can ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from bench.domain.defense import Classifier

Route = Literal["given", "exact", "surrogate", "identity"]
"""Whose gradient an attack asks for: what the classifier gives by default, its exact one, a cheaper version's, or that
past a purifier."""


def routes_of(classifier: Classifier) -> tuple[Route, ...]:
    """The ways to a gradient of a classifier, the default one first if there is any."""
    identity, exact = classifier.identity_stand_in() is not None, classifier.exact() is not None
    has_own = classifier.differentiable or classifier.stand_in() is not None
    found: list[tuple[Route, bool]] = [
        ("given", has_own or identity),
        ("exact", exact),
        ("surrogate", classifier.surrogate() is not None),
        ("identity", has_own and identity),
    ]
    return tuple(route for route, is_there in found if is_there)
