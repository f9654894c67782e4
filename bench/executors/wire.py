"""What comes back from a process in which plugins have run: plain data, and nothing that could run code here."""

from __future__ import annotations

import importlib
import io
import pickle
from typing import Any

from bench.domain.errors import PluginError

_DATA = {
    "bench.domain.attack": ("Smoothing",),
    "bench.domain.dataset": ("Task",),
    "bench.domain.facts": ("Controls", "Crafting"),
    "bench.evaluation.shard.proposal": ("Audit", "Proposal"),
    "bench.evaluation.shard.hearing": ("Answer", "Testimony"),
    "bench.evaluation.estimates.trial": ("Pace", "Tried"),
    "bench.loading.door": ("Introduction",),
    "numpy": ("dtype", "ndarray"),
    "numpy.core.multiarray": ("_reconstruct", "scalar"),
    "numpy._core.multiarray": ("_reconstruct", "scalar"),
    "numpy.core.numeric": ("_frombuffer",),
    "numpy._core.numeric": ("_frombuffer",),
}
"""The only classes and functions that data from outside may name."""


def pack(data: Any) -> bytes:
    """Data as bytes that `unpack` reads."""
    return pickle.dumps(data, pickle.HIGHEST_PROTOCOL)


def unpack(content: bytes) -> Any:
    """The data that `pack` wrote. Raises `PluginError` for bytes that are none, or that name anything but data."""
    try:
        return _Reader(io.BytesIO(content)).load()
    except PluginError:
        raise
    except Exception as error:
        raise PluginError(f"A worker process sent what cannot be read ({type(error).__name__}: {error}).") from None


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if name in _DATA.get(module, ()):
            return getattr(importlib.import_module(module), name)
        raise PluginError(f"A worker process sent {module}.{name}, which is no data; a plugin in it has tampered.")
