"""Weights in the hub's cache on this machine, so that another one need not ask the hub for them.

By hand, for the hub client's scan of its cache asks for the size of every file, and names none that says which snapshot
a branch is.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

from bench.plugins.files import sha256_of


def hub_cache() -> Path:
    """The folder in which the hub's client keeps what it has fetched: `HF_HUB_CACHE`, or `hub` in `HF_HOME`."""
    from huggingface_hub.constants import HF_HUB_CACHE

    return Path(HF_HUB_CACHE)


def snapshots_with(contents: frozenset[str]) -> tuple[str, ...]:
    """The files of every snapshot that holds one of these contents (SHA-256), and what its repository says of branches,
    as paths relative to the cache; looked for once."""
    return _found(hub_cache(), contents) if contents else ()


@cache
def _found(folder: Path, contents: frozenset[str]) -> tuple[str, ...]:
    return tuple(str(file.relative_to(folder)) for file in _files(folder, contents))


def _files(folder: Path, contents: frozenset[str]) -> Iterator[Path]:
    for snapshot in sorted(folder.glob("models--*/snapshots/*")):
        files = [file for file in sorted(snapshot.rglob("*")) if file.is_file()]
        if any(_content(file) in contents for file in files):
            yield from (file for file in sorted((snapshot.parents[1] / "refs").rglob("*")) if file.is_file())
            yield from files


def _content(file: Path) -> str:
    """The SHA-256 of a file of a snapshot; a large one is a link to a file of that name."""
    name = file.resolve().name if file.is_symlink() else ""
    return name if len(name) == 64 else sha256_of(file)
