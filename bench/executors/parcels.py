"""The files that a job names on this machine, sent by content to one that may not have them."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.domain.errors import BenchError
from bench.domain.plan import Plan, Spec
from bench.executors.hub import hub_cache, snapshots_with
from bench.plugins.files import sha256_of
from bench.plugins.imports import imported

Parcel = Mapping[str, tuple[str, Any]]
"""By its name in `files_of`, each file's SHA-256 and what its content is fetched by."""
HUB = "hub:"
"""How the name of a file in the hub's cache begins; it lies at the same place in everybody's cache."""


def files_of(job: Any) -> dict[str, Path]:
    """The files that the plugins of a job are made of and read, by name: a plugin's file with the modules beside it
    that it imports, what its settings name, and weights that were fetched from the hub. What comes with a package is
    none of them: it is installed everywhere."""
    found: dict[str, Path] = {}
    for spec in _specs(job):
        for text in _texts(spec.place):
            path = Path(text.partition(".py:")[0] + ".py" if ".py:" in text else text)
            if path.is_absolute() and path.exists():
                found.update({str(each): each for each in (_script(path) if ".py:" in text else _all(path))})
    weights = frozenset(sha256 for spec in _specs(job) for sha256 in spec.weights.values())
    return found | {HUB + name: hub_cache() / name for name in snapshots_with(weights)}


def opened(job: Any, parcel: Parcel, fetch: Callable[[Any], bytes], root: Path) -> Any:
    """The job as it can be run here: as it is where every file is here too, else with all of them under `root`.

    What comes from the hub goes where the hub's client looks for it."""
    for name, (sha256, ticket) in parcel.items():
        if name.startswith(HUB) and not _is_here(hub_cache() / name.removeprefix(HUB), sha256):
            _write(hub_cache() / name.removeprefix(HUB), fetch(ticket))
    parcel = {name: found for name, found in parcel.items() if not name.startswith(HUB)}
    if all(_is_here(Path(path), sha256) for path, (sha256, _) in parcel.items()):
        return job
    names = hashlib.sha256("".join(f"{path} {found[0]}\n" for path, found in sorted(parcel.items())).encode())
    place = root / names.hexdigest()[:16]
    for path, (sha256, ticket) in parcel.items():
        file = place / Path(path).relative_to(Path(path).anchor)
        if not _is_here(file, sha256):
            _write(file, fetch(ticket))
    return _moved(job, place, list(parcel))


def _specs(job: Any) -> Iterator[Spec]:
    plan = getattr(job, "plan", None)
    found = (plan.defense, plan.attack) if isinstance(plan, Plan) else (getattr(job, "defense", None),)
    yield from (spec for spec in found if isinstance(spec, Spec))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from (text for inner in value.values() for text in _texts(inner))
    elif isinstance(value, list | tuple):
        yield from (text for inner in value for text in _texts(inner))


def _all(path: Path) -> Iterator[Path]:
    yield from (each for each in sorted(path.rglob("*")) if each.is_file()) if path.is_dir() else (path,)


def _script(script: Path) -> list[Path]:
    """A script and the modules in its folder that it imports, and so on."""
    found = [script]
    for file in found:
        for name in imported(file.read_bytes(), ""):
            parts = name.split(".")
            above = [script.parent.joinpath(*parts[:depth], "__init__.py") for depth in range(1, len(parts) + 1)]
            module = script.parent.joinpath(*parts).with_suffix(".py")
            found += [each for each in (*above, module) if each.is_file() and each not in found]
    return found


def _is_here(path: Path, sha256: str) -> bool:
    try:
        return path.is_file() and sha256_of(path) == sha256
    except BenchError:
        return False


def _write(file: Path, content: bytes) -> None:
    """Let a file appear whole, for several slots may write it at once."""
    file.parent.mkdir(parents=True, exist_ok=True)
    descriptor, partial = tempfile.mkstemp(dir=file.parent)
    with os.fdopen(descriptor, "wb") as written:
        written.write(content)
    Path(partial).replace(file)


def _moved(job: Any, place: Path, paths: list[str]) -> Any:
    def moved(value: Any) -> Any:
        if isinstance(value, str):
            named = any(path == value or f"{path}:" in f"{value}:" or path.startswith(f"{value}/") for path in paths)
            return str(place) + value if named and Path(value).is_absolute() else value
        if isinstance(value, Mapping):
            return {key: moved(inner) for key, inner in value.items()}
        return [moved(inner) for inner in value] if isinstance(value, list | tuple) else value

    def spec(found: Spec) -> Spec:
        return replace(found, place=moved(found.place))

    plan = getattr(job, "plan", None)
    if isinstance(plan, Plan):
        return replace(job, plan=replace(plan, defense=spec(plan.defense), attack=spec(plan.attack)))
    return replace(job, defense=spec(job.defense))
