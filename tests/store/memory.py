"""A place of crafted images that lies in memory and goes with the process."""

from __future__ import annotations

import time
from collections.abc import Iterator

from bench.store.images.places.place import File


class Memory:
    """A place that is nowhere but here."""

    def __init__(self) -> None:
        self._files: dict[str, tuple[bytes, float]] = {}

    def __str__(self) -> str:
        return "memory"

    def read(self, name: str) -> bytes | None:
        """The content; None where there is no such file."""
        found = self._files.get(name)
        return None if found is None else found[0]

    def write(self, name: str, content: bytes) -> None:
        """Keep the content."""
        self._files[name] = content, time.monotonic()

    def delete(self, name: str) -> None:
        """Forget a file."""
        self._files.pop(name, None)

    def holds(self, name: str) -> bool:
        """Whether there is such a file."""
        return name in self._files

    def files(self) -> Iterator[File]:
        """All files."""
        now = time.monotonic()
        for name, (content, written) in list(self._files.items()):
            yield File(name, len(content), now - written)
