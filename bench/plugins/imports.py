"""The modules that a source imports, found without running anything."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path


@dataclass(frozen=True)
class Located:
    """A module's name, its file (None: a namespace), and for a package the folders of its modules."""

    name: str
    file: Path | None
    folders: tuple[str, ...] = ()

    @property
    def package(self) -> str:
        """What its relative imports start from."""
        return self.name if self.folders else self.name.rpartition(".")[0]


@lru_cache(maxsize=1024)
def imported(source: bytes, package: str) -> tuple[str, ...]:
    """The dotted names that a source may import, wherever in it: of `from a import b`, a and a.b.

    Imports through `import_module` count where the name is written out. A source that does not parse imports nothing.
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return ()
    return tuple(dict.fromkeys(name for node in ast.walk(tree) for name in _names(node, package) if name))


def _names(node: ast.AST, package: str) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        origin = _absolute(node.module or "", node.level, package)
        yield origin
        yield from (f"{origin}.{alias.name}".lstrip(".") for alias in node.names if alias.name != "*")
    elif isinstance(node, ast.Call) and _called(node.func) in ("import_module", "__import__") and node.args:
        name = node.args[0]
        if isinstance(name, ast.Constant) and isinstance(name.value, str):
            bare = name.value.lstrip(".")
            yield _absolute(bare, len(name.value) - len(bare), package)


def _called(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _absolute(name: str, level: int, package: str) -> str:
    """An import's name from the top; one dot is the package itself, each further one a package higher."""
    if level == 0:
        return name
    parts = package.split(".") if package else []
    return ".".join([*parts[: len(parts) - level + 1], *([name] if name else [])])


def locate(name: str, beside: Sequence[Path]) -> Located | None:
    """Where a module lies: as it was imported, else as it would be, else in one of the folders `beside`.

    By hand, for `importlib.util.find_spec` imports the packages above a module.
    """
    held = getattr(sys.modules.get(name), "__dict__", {})
    file, folders = held.get("__file__"), held.get("__path__", ())
    if isinstance(file, str) and Path(file).is_file():
        return Located(name, Path(file).resolve(), tuple(folders))
    parent = name.rpartition(".")[0]
    if not parent:
        return _located(name, _asked(name, None) or PathFinder.find_spec(name, [str(folder) for folder in beside]))
    above = locate(parent, beside)
    if above is None or not above.folders:
        return None
    return _located(name, _asked(name, above.folders))


def _asked(name: str, folders: Sequence[str] | None) -> ModuleSpec | None:
    """What the interpreter's finders know of a module; none of them imports it."""
    for finder in sys.meta_path:
        try:
            found = finder.find_spec(name, folders)
        except Exception:  # somebody's finder; it would fail the import just so
            continue
        if found is not None:
            return found
    return None


def _located(name: str, spec: ModuleSpec | None) -> Located | None:
    if spec is None:
        return None
    file = Path(spec.origin).resolve() if spec.has_location and spec.origin else None
    folders = tuple(spec.submodule_search_locations or ())
    return Located(name, file, folders) if file is not None or folders else None
