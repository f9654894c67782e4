"""Files of data sets on the Hugging Face hub."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import Any

from bench.domain.errors import DataError

_LOCAL = ContextVar("local", default=False)


@contextmanager
def local_only() -> Iterator[None]:
    """A scope in which no host is asked for a data set: what is not here is not to be had.

    That holds for data sets of others too: where Python code of this thread looks for a host, it meets a `DataError`.
    """
    _guard()
    before = _LOCAL.set(True)
    try:
        yield
    finally:
        _LOCAL.reset(before)


@cache
def _guard() -> None:
    """Watch, from now on, whether a host is looked for where none is to be asked."""

    def refuse(event: str, words: tuple[Any, ...]) -> None:
        if event not in ("socket.getaddrinfo", "socket.connect") or not _LOCAL.get():
            return
        host = words[0] if event == "socket.getaddrinfo" else words[1]
        if event == "socket.connect" and isinstance(host, str | bytes):
            return  # a socket's file on this machine
        raise DataError(f"It asks {host} for images, and no host is asked for them here; name their folder.")

    sys.addaudithook(refuse)


def hub_file(title: str, repository: str, file: str) -> Path:
    """A file of a data set's repository, from the hub's cache where it is there: these files never change, and no
    network need be waited for. Raises `DataError` where it cannot be fetched, or may not (see `local_only`)."""
    import huggingface_hub

    cached = huggingface_hub.try_to_load_from_cache(repository, file, repo_type="dataset")
    if isinstance(cached, str):
        return Path(cached)
    if _LOCAL.get():
        raise DataError(
            f"{title} is not in the hub's cache on this machine, and no host is asked for it here; name its folder "
            f"with --data-dir, or evaluate something on it once."
        )
    try:
        return Path(huggingface_hub.hf_hub_download(repository, file, repo_type="dataset"))
    except Exception as error:  # Without a network its client fails in too many ways to name them.
        reason = str(error).strip().partition(". ")[0].partition("\n")[0].rstrip(".")
        raise DataError(
            f"{title} could not be fetched from the hub ({repository}): {reason}. "
            "Fetch it elsewhere and give its folder with --data-dir."
        ) from error
