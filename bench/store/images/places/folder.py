"""Files in a folder of this machine, or of a network that looks like one."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from bench.store.images.places.place import PARTIAL, STALE_SECONDS, File


class Folder:
    """A folder and its subfolders, made when the first file is written.

    By hand, for fsspec writes a local file under its name, and does not wait for the disk.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._swept = False

    def __str__(self) -> str:
        return str(self.path)

    def read(self, name: str) -> bytes | None:
        """The content; None where there is no such file."""
        try:
            return (self.path / name).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def write(self, name: str, content: bytes) -> None:
        """Put a file there: it is on the disk before it has its name. The first call sweeps away what killed writers
        have left."""
        if not self._swept:
            self._sweep()
            self._swept = True
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, partial = tempfile.mkstemp(dir=path.parent, suffix=PARTIAL)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            Path(partial).replace(path)
        except BaseException:
            Path(partial).unlink(missing_ok=True)
            raise

    def delete(self, name: str) -> None:
        """Take a file away."""
        with suppress(NotADirectoryError):
            (self.path / name).unlink(missing_ok=True)

    def holds(self, name: str) -> bool:
        """Whether there is such a file."""
        return (self.path / name).is_file()

    def files(self) -> Iterator[File]:
        """All files that are whole."""
        return (file for file in self._all() if not file.name.endswith(PARTIAL))

    def _sweep(self) -> None:
        for file in self._all():
            if file.name.endswith(PARTIAL) and file.age > STALE_SECONDS:
                self.delete(file.name)

    def _all(self) -> Iterator[File]:
        now = time.time()
        for folder, _, names in os.walk(self.path):
            for name in names:
                path = Path(folder, name)
                with suppress(FileNotFoundError):  # another process has finished or swept it
                    found = path.stat()
                    yield File(path.relative_to(self.path).as_posix(), found.st_size, now - found.st_mtime)
