"""Files under a URL, through fsspec: s3://bucket/folder, gs://, sftp://, memory://, and whatever else it speaks."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from bench.domain.errors import UsageError
from bench.store.images.places.place import PARTIAL, STALE_SECONDS, File

WHOLE = frozenset({"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "oci", "memory"})
"""Protocols under which a file appears only when all of it is there; under others it is written aside and renamed."""
_TIMES = ("mtime", "LastModified", "last_modified", "updated", "created")


class Remote:
    """What a URL names. Raises `UsageError` where fsspec, or the package that it needs for this URL, is missing."""

    def __init__(self, url: str) -> None:
        try:
            from fsspec.core import url_to_fs
        except ModuleNotFoundError:
            raise UsageError(
                f"{url} needs fsspec: pip install 'defense-bench[fsspec]', or name a folder with --artifacts."
            ) from None
        try:
            self._system, root = url_to_fs(url)
        except (ImportError, ValueError) as error:
            raise UsageError(f"{url} cannot be opened here ({str(error).rstrip('.')}); check --artifacts.") from None
        self._url, self._root = url.rstrip("/"), str(root).rstrip("/")
        spoken = self._system.protocol
        self._appears_whole = not WHOLE.isdisjoint([spoken] if isinstance(spoken, str) else spoken)
        self._swept = self._appears_whole

    def __str__(self) -> str:
        return self._url

    def read(self, name: str) -> bytes | None:
        """The content; None where there is no such file."""
        with _plainly():
            try:
                content: bytes = self._system.cat_file(self._path(name))
            except (FileNotFoundError, NotADirectoryError):
                return None
            return content

    def write(self, name: str, content: bytes) -> None:
        """Put a file there."""
        with _plainly():
            path = self._path(name)
            if self._appears_whole:
                self._system.pipe_file(path, content)
                return
            if not self._swept:
                self._sweep()
                self._swept = True
            partial = f"{path}.{uuid.uuid4().hex}{PARTIAL}"
            self._system.makedirs(path.rpartition("/")[0], exist_ok=True)
            try:
                self._system.pipe_file(partial, content)
                self._system.mv(partial, path)
            except BaseException:
                self._remove(partial)
                raise

    def delete(self, name: str) -> None:
        """Take a file away."""
        with _plainly():
            self._remove(self._path(name))

    def holds(self, name: str) -> bool:
        """Whether there is such a file."""
        with _plainly():
            self._system.invalidate_cache()
            return bool(self._system.isfile(self._path(name)))

    def files(self) -> Iterator[File]:
        """All files that are whole."""
        with _plainly():
            found = self._all()
        return (file for file in found if not file.name.endswith(PARTIAL))

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"

    def _remove(self, path: str) -> None:
        try:
            self._system.rm_file(path)
        except FileNotFoundError:
            return

    def _sweep(self) -> None:
        for file in self._all():
            if file.name.endswith(PARTIAL) and file.age > STALE_SECONDS:
                self._remove(self._path(file.name))

    def _all(self) -> list[File]:
        self._system.invalidate_cache()  # another process may have written since this one looked
        try:
            found: dict[str, dict[str, Any]] = self._system.find(self._root, detail=True)
        except FileNotFoundError:
            return []
        start = len(self._root.lstrip("/")) + 1
        return [
            File(path.lstrip("/")[start:], int(facts.get("size") or 0), _age(facts)) for path, facts in found.items()
        ]


def _age(facts: Mapping[str, Any]) -> float:
    """Seconds since a file was written; 0 where nothing says when that was."""
    for name in _TIMES:
        found = facts.get(name)
        if isinstance(found, str):
            found = datetime.fromisoformat(found)
        if isinstance(found, datetime):
            found = found.timestamp()
        if isinstance(found, int | float):
            return time.time() - found
    return 0.0


@contextmanager
def _plainly() -> Iterator[None]:
    """Whatever a server, its library or the network raises, as an `OSError`."""
    try:
        yield
    except OSError:
        raise
    except Exception as error:
        raise OSError(f"{type(error).__name__}: {error}") from error
