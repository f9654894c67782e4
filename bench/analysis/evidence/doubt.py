"""A doubt: a sentence about a number, and whom it blames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Blame = Literal["defense", "attack", "evidence"]


@dataclass(frozen=True)
class Doubt:
    """A sentence, and whose fault it names: the defense breaks what it promises, or the attack did not do its work.

    One about the evidence accuses nobody: it says in how far the number is less than it seems.
    """

    sentence: str
    blames: Blame = "evidence"
