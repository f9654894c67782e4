"""A reference to a plugin becomes a Python object: an entry point, an attribute of a module, or one of a file."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.machinery import SourceFileLoader
from importlib.metadata import Distribution, EntryPoint, distributions
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from bench.domain.errors import PASSING, BenchError, PluginError, UsageError, closest
from bench.plugins.files import sha256_of
from bench.plugins.releases import changed


def entries(group: str) -> list[EntryPoint]:
    """The entry points of a group, each once; of two distributions of one name the first on `sys.path` counts.

    By hand, for `importlib.metadata.entry_points` reads every folder anew whenever it is asked.
    """
    found: dict[tuple[str, str], EntryPoint] = {}
    known: set[str] = set()
    for folder in dict.fromkeys(sys.path):
        installed = _installed(folder, changed(Path(folder)))
        for name, listed in installed:
            if name not in known:
                found |= {(entry.name, entry.value): entry for entry in listed if entry.group == group}
        known.update(name for name, _ in installed)
    return list(found.values())


def from_target(reference: str) -> object:
    """What `package.module:Attr` or `./file.py:Attr` names; `UsageError` where it has no such attribute."""
    place, _, attribute = reference.rpartition(":")
    if not place or not attribute:
        raise UsageError(f"{reference!r} names no class; write a name, package.module:Class or ./file.py:Class.")
    file = script_of(reference)
    with importing(place):
        module = importlib.import_module(place) if file is None else _load_file(file.resolve(), sha256_of(file))
        if hasattr(module, attribute):
            found: object = getattr(module, attribute)
            return found
    names = [name for name, value in vars(module).items() if inspect.isclass(value)]
    raise UsageError(f"{place} has no {attribute!r}.{closest(attribute, names)}")


def is_script(reference: str) -> bool:
    """Whether a reference names a Python file."""
    return reference.rpartition(":")[0].endswith(".py")


def script_of(reference: str) -> Path | None:
    """The file in `./file.py:Attr`, which must be there; None for any other reference."""
    if not is_script(reference):
        return None
    path = Path(reference.rpartition(":")[0]).expanduser()
    if not path.is_file():
        raise UsageError(f"There is no file {path}; the part before ':' must be a Python file.")
    return path


def name_of(reference: str) -> tuple[str, dict[str, Any]]:
    """A reference as content, and its place where it is a path: 'mine.py:Mine' for './folder/mine.py:Mine'."""
    if not is_script(reference):
        return reference, {}
    path, _, attribute = reference.rpartition(":")
    place = os.path.abspath(os.path.expanduser(path))  # noqa: PTH100, PTH111 links stay as they are
    return f"{Path(path).name}:{attribute}", {"name": f"{place}:{attribute}"}


@contextmanager
def importing(what: str) -> Iterator[None]:
    """A scope in which a plugin's module runs; whatever ends it becomes a `PluginError`."""
    try:
        yield
    except BenchError:
        raise
    except PASSING:
        raise
    except BaseException as error:
        raise PluginError(f"{what} cannot be loaded: {type(error).__name__}: {error}") from error


@cache
def _installed(folder: str, since: int) -> tuple[tuple[str, tuple[EntryPoint, ...]], ...]:
    """The distributions in a folder with their entry points; to read them takes milliseconds."""
    del since  # it only tells a folder from what it was
    return tuple((_name(each), tuple(each.entry_points)) for each in distributions(path=[folder]))


def _name(found: Distribution) -> str:
    """A distribution's name as all its spellings are compared; what else stands beside it is not parsed."""
    text = found.read_text("METADATA") or found.read_text("PKG-INFO") or ""
    name = re.search(r"^Name:(.*)$", text, re.MULTILINE | re.IGNORECASE)
    return re.sub(r"[-_.]+", "-", name[1].strip() if name else "").lower()


class _Source(SourceFileLoader):
    """Runs a file's text. Python's bytecode counts as new as long as the size and the second of a change are the same,
    so that what runs might not be what the plan's hash is of."""

    def get_code(self, fullname: str) -> CodeType:
        """The code of the text as it is now."""
        code: CodeType = self.source_to_code(self.get_data(self.path), self.path)
        return code


@cache
def _load_file(path: Path, content: str) -> ModuleType:
    """The module in a file of this content, imported once under a name of its own."""
    name = f"bench_plugin_{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    loader = _Source(name, str(path))
    spec = importlib.util.spec_from_file_location(name, path, loader=loader)
    assert spec is not None  # it has its loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up by name
    loader.exec_module(module)
    return module
