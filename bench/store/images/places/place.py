"""What a place of files does, wherever it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

STALE_SECONDS = 3600.0
"""The age from which a half-written file is a killed writer's, and is swept away."""
PARTIAL = ".partial"
"""How the names of half-written files end."""


@dataclass(frozen=True)
class File:
    """A file of a place: its name with slashes, its bytes, and how many seconds ago it was written."""

    name: str
    size: int
    age: float


class Place(Protocol):
    """Files under names such as 'ab/cd.safetensors'. Each appears whole or not at all, and writing one again replaces
    it. Its text is what a person calls the place. What goes wrong is an `OSError`."""

    def read(self, name: str) -> bytes | None:
        """The content; None where there is no such file."""

    def write(self, name: str, content: bytes) -> None:
        """Put a file there, durably."""

    def delete(self, name: str) -> None:
        """Take a file away; nothing happens where there is none."""

    def holds(self, name: str) -> bool:
        """Whether there is such a file, whatever its content."""

    def files(self) -> Iterator[File]:
        """All files that are whole, in no order."""
