"""Crafted images beside the store: files named by the SHA-256 of their content."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.domain.errors import StoreError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def artifacts_beside(database: Path | None) -> Path:
    """The folder that goes with a database's file; without a file, one in the working directory."""
    return database.with_suffix(".artifacts") if database else Path("results.artifacts")


class Artifacts:
    """A folder of perturbed images, one safetensors file a shard: `perturbed` (N, C, H, W) float32, and beside it what
    else an attack proposed (`witness`, `closest`, `broken_at`) where it did."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, sha256: str) -> Path:
        """Where the content with this hash lies, or would lie."""
        return self.folder / sha256[:2] / f"{sha256}.safetensors"

    def write(self, images: NDArray[np.float32], beside: Mapping[str, NDArray[Any]] | None = None) -> str:
        """Store images, and arrays that go with them, and return their name; the file appears whole or not at all."""
        from safetensors.numpy import save

        return self._put(save({"perturbed": images, **(beside or {})}))

    def adopt(self, sha256: str, other: Artifacts) -> bool:
        """Copy what another folder holds under this name; False where it is missing, damaged or locked away."""
        try:
            content = other.path(sha256).read_bytes()
        except OSError:
            return False
        if hashlib.sha256(content).hexdigest() != sha256:
            return False
        self._put(content)
        return True

    def _put(self, content: bytes) -> str:
        sha256 = hashlib.sha256(content).hexdigest()
        path = self.path(sha256)
        if self.holds(sha256):
            return sha256
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor, partial = tempfile.mkstemp(dir=path.parent, suffix=".partial")
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                Path(partial).replace(path)
            except BaseException:
                Path(partial).unlink(missing_ok=True)
                raise
        except OSError as error:
            raise StoreError(
                f"The crafted images could not be written to {self.folder} ({error.strerror}); free some space or "
                f"name another place with --db, then run the same command again."
            ) from None
        return sha256

    def holds(self, sha256: str) -> bool:
        """Whether the content is there and undamaged."""
        path = self.path(sha256)
        return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == sha256

    def read(self, sha256: str) -> NDArray[np.float32]:
        """The images; `StoreError` where they are missing or damaged (evaluating again makes them anew)."""
        images: NDArray[np.float32] = self.read_all(sha256)["perturbed"]
        return images

    def read_all(self, sha256: str) -> dict[str, NDArray[Any]]:
        """The images, under "perturbed", and the arrays that were stored beside them. Raises like `read`."""
        from safetensors.numpy import load

        path = self.path(sha256)
        if not self.holds(sha256):
            raise StoreError(f"The crafted images {path} are missing or damaged; run the same command again.")
        arrays: dict[str, NDArray[Any]] = load(path.read_bytes())
        return arrays
