"""What others have published about a model: a reference, never a measurement."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True)
class Published:
    """A model that a defense can load, and the figures that its source publishes (proportions), measured elsewhere.

    `epsilon` is None where the norm has no budget ('corruptions'); `source` says whose figures these are.
    """

    name: str
    dataset: str
    norm: str
    epsilon: Fraction | None
    clean: float
    robust: float
    title: str
    venue: str
    source: str
