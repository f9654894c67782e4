"""What libraries import beside what is wanted of them: a torchvision that would fail, networks and a compiler that take
a second each."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import torch

NETWORKS = ("diffusers.models.autoencoders", "diffusers.models.transformers", "diffusers.models.unets")
"""Packages of diffusers that import all of their networks as soon as one of them is wanted."""
COMPILER = "torch._dynamo"


@contextmanager
def unfit_torchvision() -> Iterator[None]:
    """A scope to import transformers, diffusers and peft in, which import torchvision wherever they find one.

    One that cannot be imported is hidden from them: they remember that it is not there, and nothing that is used of
    them needs it.
    """
    if _fits():
        yield
        return
    sys.modules["torchvision"] = None  # type: ignore[assignment]  # how Python marks what is not to be found
    try:
        yield
    finally:
        sys.modules.pop("torchvision", None)


@contextmanager
def single_networks() -> Iterator[None]:
    """A scope to import modules of `NETWORKS` in, which are read alone: that spares every process a second.

    A bare package of the same place stands in for each that nobody has imported yet. Whoever imports such a package
    afterwards gets the real one, with the very modules that were read here.
    """
    _read_plainly("diffusers")
    standing_in = {name: found for name in NETWORKS if name not in sys.modules and (found := _bare(name))}
    sys.modules.update(standing_in)
    try:
        yield
    finally:
        for name, package in standing_in.items():
            if sys.modules.get(name) is package:
                del sys.modules[name]


def _read_plainly(name: str) -> None:
    """Import a package without torch's compiler, which takes a second in every process: diffusers asks it for a
    decorator that only compiled networks need, and does without where there is none.

    A package that cannot be imported so is left to whoever imports it next.
    """
    if name in sys.modules or COMPILER in sys.modules:
        return
    sys.modules[COMPILER] = None  # type: ignore[assignment]
    try:
        _imports(name)
    finally:
        del sys.modules[COMPILER]


def _bare(name: str) -> ModuleType | None:
    """A package without its own code; None where there is none of this name."""
    spec = find_spec(name)
    if spec is None or spec.submodule_search_locations is None:
        return None
    package = ModuleType(name)
    package.__path__, package.__spec__ = list(spec.submodule_search_locations), spec
    return package


def _fits() -> bool:
    """Whether torchvision can be imported. Its operators' library is what fits one torch alone, and is loaded in
    milliseconds where the whole takes a second."""
    spec = find_spec("torchvision") if "torchvision" not in sys.modules else None
    folders = [] if spec is None else spec.submodule_search_locations or []
    libraries = [path for folder in folders for path in Path(folder).glob("_C*.so")]
    try:
        for path in libraries:
            torch.ops.load_library(path)
    except OSError:
        return False
    return bool(libraries) or _imports("torchvision")


def _imports(name: str) -> bool:
    try:
        importlib.import_module(name)
    except Exception:  # another build's operators raise RuntimeError, AttributeError or ImportError
        return False
    return True
