"""Crafted images beside the store: named by the SHA-256 of their content, wherever they lie."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.domain.errors import StoreError
from bench.store.images.packing import pack, unpack
from bench.store.images.places.folder import Folder
from bench.store.images.places.place import Place
from bench.store.rows.forms import is_sha256

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_SUFFIX = ".safetensors"


class LackingError(StoreError):
    """Crafted images are not there, or `damaged`; they can be crafted again."""

    def __init__(self, sentence: str, damaged: bool) -> None:
        super().__init__(sentence)
        self.damaged = damaged


class UnreachableError(StoreError):
    """Nobody can tell whether crafted images are there: their place does not answer, for the `reason` given."""

    def __init__(self, sentence: str, reason: str) -> None:
        super().__init__(sentence)
        self.reason = reason


@dataclass(frozen=True)
class Kept:
    """A file of crafted images: the hash of its content, its bytes as it lies there, and its age in seconds."""

    sha256: str
    size: int
    age: float


def place_of(named: str | Path | Place | None, database: Path | None = None) -> Place:
    """The place that a person names, a folder or a URL; None is the folder that goes with a database's file, or
    `results.artifacts` in the working directory where the database is no file."""
    if named is None or named == "":
        return Folder(database.with_suffix(".artifacts") if database else Path("results.artifacts"))
    if isinstance(named, str) and "://" in named:
        from bench.store.images.places.remote import Remote

        return Remote(named)
    return Folder(Path(named).expanduser()) if isinstance(named, str | Path) else named


class Artifacts:
    """Perturbed images, one file a shard: `perturbed` (N, C, H, W) float32, and beside it what else an attack proposed
    (`witness`, `closest`, `broken_at`) where it did.

    The content is a safetensors file and its hash the name; what lies in the place is that file or, smaller, what it
    unpacks from. It is checked against the name whenever it is read. `missed` names what was asked for in vain.
    """

    def __init__(self, place: Place | Path) -> None:
        self.place: Place = Folder(place) if isinstance(place, Path) else place
        self.missed: set[str] = set()

    def __str__(self) -> str:
        return str(self.place)

    @property
    def folder(self) -> Path:
        """The folder that they lie in; `StoreError` where that is none."""
        if not isinstance(self.place, Folder):
            raise StoreError(f"The crafted images lie in no folder but in {self.place}; read them by their hash.")
        return self.place.path

    def path(self, sha256: str) -> Path:
        """The file in which the content with this hash lies, or would lie. Raises like `folder`."""
        return self.folder / _name(sha256)

    def write(self, images: NDArray[np.float32], beside: Mapping[str, NDArray[Any]] | None = None) -> str:
        """Store images, and arrays that go with them, and return their hash; the file appears whole or not at all."""
        from safetensors.numpy import save

        return self._put(save({"perturbed": images, **(beside or {})}))

    def adopt(self, sha256: str, other: Artifacts) -> bool:
        """Copy what another place holds under this hash; False where it is missing, damaged or locked away."""
        try:
            self._put(other.content(sha256))
        except (LackingError, UnreachableError):
            return False
        return True

    def holds(self, sha256: str) -> bool:
        """Whether the content is there and undamaged. Raises `UnreachableError`."""
        try:
            self.content(sha256)
        except LackingError:
            return False
        return True

    def has(self, sha256: str) -> bool:
        """Whether there is a file for this content, sound or not: cheaper than `holds`. Raises `UnreachableError`."""
        if not is_sha256(sha256):
            return False
        with self._answering():
            return self.place.holds(_name(sha256))

    def read(self, sha256: str) -> NDArray[np.float32]:
        """The images. Raises `LackingError` where they are missing or damaged, `UnreachableError` where nobody can
        tell."""
        images: NDArray[np.float32] = self.read_all(sha256)["perturbed"]
        return images

    def read_all(self, sha256: str) -> dict[str, NDArray[Any]]:
        """The images, under "perturbed", and the arrays that were stored beside them. Raises like `read`."""
        from safetensors.numpy import load

        try:
            content = self.content(sha256)
        except LackingError:
            self.missed.add(sha256)
            raise
        arrays: dict[str, NDArray[Any]] = load(content)
        return arrays

    def content(self, sha256: str) -> bytes:
        """The content with this hash, a safetensors file. Raises like `read`."""
        with self._answering():
            found = self.place.read(_name(sha256)) if is_sha256(sha256) else None
        for content in (found, None if found is None else unpack(found)):
            if content is not None and hashlib.sha256(content).hexdigest() == sha256:
                return content
        raise LackingError(
            f"The crafted images {_name(sha256)} in {self.place} are missing or damaged; name their place with "
            f"--artifacts, or craft them again: `bench evaluate` or `bench sweep` with --images.",
            damaged=found is not None,
        )

    def kept(self) -> Iterator[Kept]:
        """What lies in the place under a hash, undamaged or not. Raises `UnreachableError`."""
        with self._answering():
            for file in self.place.files():
                sha256 = file.name.rpartition("/")[2].removesuffix(_SUFFIX)
                if is_sha256(sha256) and file.name == _name(sha256):
                    yield Kept(sha256, file.size, file.age)

    def delete(self, sha256: str) -> None:
        """Take the content with this hash away; nothing happens where it is not."""
        try:
            self.place.delete(_name(sha256))
        except OSError as error:
            raise StoreError(f"Crafted images could not be deleted from {self.place} ({_reason(error)}).") from None

    def _put(self, content: bytes) -> str:
        sha256 = hashlib.sha256(content).hexdigest()
        if self.holds(sha256):
            return sha256
        try:
            self.place.write(_name(sha256), pack(content))
        except OSError as error:
            raise StoreError(
                f"The crafted images could not be written to {self.place} ({_reason(error)}); free some space or "
                f"name another place with --artifacts, then run the same command again."
            ) from None
        return sha256

    @contextmanager
    def _answering(self) -> Iterator[None]:
        """A scope in which the place is read; `UnreachableError` where it does not answer."""
        try:
            yield
        except OSError as error:
            raise UnreachableError(
                f"The crafted images in {self.place} could not be read ({_reason(error)}); mend the cause, or name "
                f"another place with --artifacts.",
                _reason(error),
            ) from None


def _name(sha256: str) -> str:
    return f"{sha256[:2]}/{sha256}{_SUFFIX}"


def _reason(error: OSError) -> str:
    return error.strerror or str(error).rstrip(".") or type(error).__name__
