"""A torchvision that was built for another torch, kept from the libraries that would fail over it."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def unfit_torchvision() -> Iterator[None]:
    """A scope to import transformers, diffusers and peft in, which import torchvision wherever they find one.

    One that cannot be imported is hidden from them: they remember that it is not there, and nothing that is used of
    them needs it.
    """
    if _imports("torchvision"):
        yield
        return
    sys.modules["torchvision"] = None  # type: ignore[assignment]  # how Python marks what is not to be found
    try:
        yield
    finally:
        sys.modules.pop("torchvision", None)


def _imports(name: str) -> bool:
    try:
        importlib.import_module(name)
    except Exception:  # another build's operators raise RuntimeError, AttributeError or ImportError
        return False
    return True
