"""The version of a plugin's code: nothing for ours, name and version of a release, else a hash of the sources."""

from __future__ import annotations

import hashlib
import inspect
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from bench.plugins.imports import Located, imported, locate
from bench.plugins.releases import is_ours, release_of

SHOWN = 12
"""How many hex digits of a hash stand in a version."""


def code_version(plugin: type, modules: Iterable[str] = (), script: Path | None = None) -> str:
    """What stands behind a plugin's revision: '' for bench's own code, '+name==version' for a release's, '+' and a hash
    of the sources for any other: of the plugin's module, of `modules` and a `script`, and of all that these import.

    Only sources that are neither the standard library's, nor ours, nor a release's are looked at.
    """
    unreleased = [] if script is None else [Located(script.stem, script.resolve())]
    found = [locate(name, ()) for name in dict.fromkeys((plugin.__module__, *modules))]
    releases = set()
    for module in found:
        if module is None or module.file is None or is_ours(module.file):
            continue
        if (release := release_of(module.name, module.file)) is not None:
            releases.add(release)
        elif all(module.file != other.file for other in unreleased):
            unreleased.append(module)
    parts = [_hash(_sources(unreleased, [script.resolve().parent] if script else []))] if unreleased else []
    if script is None and not any(found):
        parts = _written(plugin)
    return "".join(f"+{part}" for part in (*parts, *sorted(releases)))


def _written(plugin: type) -> list[str]:
    """A class without a file, as a notebook defines it."""
    try:
        return [_hash({plugin.__qualname__: hashlib.sha256(inspect.getsource(plugin).encode()).hexdigest()})]
    except (OSError, TypeError):
        return []


def _sources(roots: Sequence[Located], beside: Sequence[Path]) -> dict[str, str]:
    """SHA-256 of each source by its module's name: the roots, what they import, and so on."""
    hashes: dict[str, str] = {}
    seen: set[str] = set()
    waiting = list(roots)
    for root in roots:
        waiting += _found(root.name.rpartition(".")[0], beside)
    while waiting:
        module = waiting.pop()
        if module.name in seen:
            continue
        seen.add(module.name)
        if module.file is None:
            continue
        try:
            source = module.file.read_bytes()
        except OSError:  # inside an archive, or gone since it was imported
            continue
        hashes[module.name] = hashlib.sha256(source).hexdigest()
        if module.file.suffix == ".py":
            for name in imported(source, module.package):
                if name not in seen:
                    waiting += _found(name, beside)
    return hashes


def _found(name: str, beside: Sequence[Path]) -> list[Located]:
    """The packages above a module and the module itself, as far as they are nobody's release."""
    parts = name.split(".") if name else []
    if not parts or parts[0] in sys.stdlib_module_names:
        return []
    found = []
    for depth in range(1, len(parts) + 1):
        module = locate(".".join(parts[:depth]), beside)
        if module is None:
            break
        if module.file is not None and (is_ours(module.file) or release_of(module.name, module.file)):
            break
        found.append(module)
    return found


def _hash(sources: dict[str, str]) -> str:
    text = "".join(f"{name} {sources[name]}\n" for name in sorted(sources))
    return hashlib.sha256(text.encode()).hexdigest()[:SHOWN]
