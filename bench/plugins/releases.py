"""Whose code a module is: bench's own, a released distribution's, or nobody's release."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from functools import cache
from importlib.metadata import Distribution, distributions
from pathlib import Path

OURS = ("bench", "defenses", "attacks")
"""The packages of bench's own distribution; their plugins raise their revision by hand."""
ROOT = Path(__file__).resolve().parents[2]
INSTALLED = ("site-packages", "dist-packages")
_TOP = re.compile(r"(?!\.\.)[^./,]+")
"""What a path of a RECORD begins with."""


def is_ours(file: Path) -> bool:
    """Whether a file belongs to bench's own packages."""
    return any(file.is_relative_to(ROOT / name) for name in OURS)


@cache
def release_of(module: str, file: Path) -> str | None:
    """The 'name==version' of the released distribution that installed a module; None where there is none.

    What was installed from a folder (editable or not) or a repository is no release: its version says nothing of its
    code.
    """
    base = _base(module, file)
    found = owners(base).get(file.relative_to(base).parts[0].partition(".")[0], ())
    if len(found) > 1:  # a namespace that several share
        inside = file.relative_to(base).as_posix()
        found = tuple(owner for owner in found if _records(owner, inside)) or found
    return f"{found[0].metadata['Name']}=={found[0].version}" if found else None


def _base(module: str, file: Path) -> Path:
    """The folder on `sys.path` below which a module lies."""
    for folder in file.parents:
        if folder.name in INSTALLED:
            return folder
    place = file.parent if file.stem == "__init__" else file
    levels = module.count(".")
    return place.parents[min(levels, len(place.parents) - 1)]


def changed(folder: Path) -> int:
    """When something was installed in a folder or left it last, in nanoseconds; 0 where there is none."""
    try:
        return folder.stat().st_mtime_ns
    except OSError:
        return 0


def owners(base: Path) -> dict[str, tuple[Distribution, ...]]:
    """The released distributions in a folder by the names that they install there.

    By hand, for `importlib.metadata.packages_distributions` reads all of `sys.path` whenever it is asked.
    """
    return _owners(base, changed(base))


@cache
def _owners(base: Path, since: int) -> dict[str, tuple[Distribution, ...]]:
    del since  # it only tells a folder from what it was
    named: dict[str, list[Distribution]] = defaultdict(list)
    for found in distributions(path=[str(base)]):
        if _is_release(found, base):
            for name in _names(found):
                named[name].append(found)
    return {name: tuple(found) for name, found in named.items()}


def _is_release(found: Distribution, base: Path) -> bool:
    # a checkout keeps an egg-info of its own, which says nothing of an installation
    if base.name not in INSTALLED and found.read_text("RECORD") is None:
        return False
    origin = found.read_text("direct_url.json")
    return origin is None or "archive_info" in json.loads(origin)


def _names(found: Distribution) -> set[str]:
    """The modules and packages at the top of a distribution."""
    listed = found.read_text("top_level.txt")
    if listed is not None:
        return set(listed.split())
    record = found.read_text("RECORD") or ""
    heads = {line.partition("/")[0] for line in record.splitlines()}  # few, of ten thousand lines
    return {name[0] for head in heads if (name := _TOP.match(head))}


def _records(found: Distribution, inside: str) -> bool:
    record = found.read_text("RECORD") or ""
    return any(line.startswith(f"{inside},") for line in record.splitlines())
