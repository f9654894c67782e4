"""Name -> plugin: entry points, `family:member`, `package.module:Attr` and `./file.py:Attr`, all found the same way."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

from bench.domain.attack import Attack
from bench.domain.dataset import Dataset, Task
from bench.domain.defense import Classifier, Defense
from bench.domain.errors import BenchError, PluginError, UsageError, closest
from bench.domain.plan import Spec
from bench.settings import configure, describe, spell_out

P = TypeVar("P", Defense, Attack, Dataset)


@runtime_checkable
class Family(Protocol):
    """Many plugins under one entry point, such as a library's attacks: `torchattacks:PGD` is the member PGD."""

    def member(self, name: str) -> type:
        """The plugin class of a member, the same whenever it is asked for."""

    def members(self) -> Sequence[str]:
        """All names. Raises `PluginError` where what the family needs is not installed."""


@dataclass(frozen=True)
class Listing:
    """One registered plugin as `bench list` shows it; `broken` says why it cannot be loaded."""

    name: str
    target: str
    summary: str
    settings: Mapping[str, str]
    facts: Mapping[str, str]
    broken: str | None = None
    family: bool = False


@dataclass(frozen=True)
class Registry(Generic[P]):
    """The plugins of one kind ('defense'), registered under one entry-point group."""

    kind: str
    group: str
    base: type[P]

    def find(self, reference: str) -> type[P]:
        """The plugin class behind a name, `family:member`, `package.module:Attr` or `./file.py:Attr`.

        Raises `UsageError` for an unknown name, `PluginError` where the plugin cannot be imported or is another kind.
        """
        name, colon, member = reference.partition(":")
        registered = self.holds(name) or not colon
        found = self._from_entry_point(name) if registered else self._from_target(reference)
        if registered:
            found = self._member(name, found, member)
        if not (inspect.isclass(found) and issubclass(found, self.base)):
            raise PluginError(f"{reference} is not a {self.kind}: it must be a subclass of bench.{self.base.__name__}.")
        if inspect.isabstract(found):
            missing = ", ".join(sorted(found.__abstractmethods__))
            raise PluginError(f"{reference} does not define {missing}, which every {self.kind} needs.")
        return found

    def holds(self, name: str) -> bool:
        """Whether a plugin or a family is registered under this name."""
        return any(entry.name == name for entry in self._entries())

    def make(self, reference: str, settings: Mapping[str, Any]) -> P:
        """An instance with these settings (text or plain data)."""
        return configure(self.find(reference), settings, reference)

    def spec(self, reference: str, plugin: P, task: Task | None = None) -> Spec:
        """The plugin as data; for a defense with what it chooses for the task, and its weights' hashes."""
        version = plugin.revision
        if _is_file(reference):
            version += "+" + _sha256(_file_of(reference))[:12]
        if not isinstance(plugin, Defense) or task is None:
            return Spec(reference, spell_out(plugin), version)
        settled, files = _settle(plugin, task)
        return Spec(reference, spell_out(settled), version, {role: _sha256(files[role]) for role in sorted(files)})

    def listings(self) -> list[Listing]:
        """Every registered plugin, the broken ones with their reason."""
        return [self._listing(entry) for entry in sorted(self._entries(), key=lambda entry: entry.name)]

    def _listing(self, entry: EntryPoint) -> Listing:
        try:
            found = self._from_entry_point(entry.name)
            if isinstance(found, Family):
                return Listing(f"{entry.name}:NAME", entry.value, _summary(found), {}, {}, family=True)
            plugin = self.find(entry.name)
        except BenchError as error:
            return Listing(entry.name, entry.value, "", {}, {}, broken=str(error))
        facts = {fact: str(getattr(plugin, fact, "")) for fact in ("norm", "knowledge", "family")}
        facts = {fact: value for fact, value in facts.items() if value}
        return Listing(entry.name, entry.value, _summary(plugin), describe(plugin), facts)

    def _entries(self) -> list[EntryPoint]:
        return _entry_points(self.group, tuple(sys.path))

    def _member(self, name: str, found: object, member: str) -> object:
        """The member of a family, or what stands alone; `UsageError` where the one is named like the other."""
        if not isinstance(found, Family):
            if member:
                raise UsageError(f"{name} is one {self.kind} and has no members; leave out ':{member}'.")
            return found
        names = found.members()
        if not member:
            raise UsageError(f"{name} is a family; name a member as in {name}:NAME. It has {', '.join(sorted(names))}.")
        if member not in names:
            raise UsageError(f"{name} has no member {member!r}.{closest(member, names)}")
        return found.member(member)

    def _from_entry_point(self, name: str) -> object:
        matches = [entry for entry in self._entries() if entry.name == name]
        if not matches:
            names = [entry.name for entry in self._entries()]
            raise UsageError(f"No {self.kind} is called {name!r}.{closest(name, names)}")
        if len(matches) > 1:
            targets = " and ".join(sorted(entry.value for entry in matches))
            raise PluginError(
                f"The {self.kind} name {name!r} is registered twice, by {targets}; uninstall one of them."
            )
        try:
            return matches[0].load()
        except Exception as error:
            raise PluginError(
                f"The {self.kind} {name!r} ({matches[0].value}) cannot be loaded: {type(error).__name__}: {error}"
            ) from error

    def _from_target(self, reference: str) -> object:
        place, _, attribute = reference.rpartition(":")
        try:
            module = _load_file(_file_of(reference)) if _is_file(reference) else importlib.import_module(place)
        except BenchError:
            raise
        except Exception as error:
            raise PluginError(f"{place} cannot be loaded: {type(error).__name__}: {error}") from error
        if not hasattr(module, attribute):
            names = [name for name, value in vars(module).items() if inspect.isclass(value)]
            raise UsageError(f"{place} has no {attribute!r}.{closest(attribute, names)}")
        found: object = getattr(module, attribute)
        return found


defenses = Registry[Defense]("defense", "bench.defenses", Defense)  # type: ignore[type-abstract]
attacks = Registry[Attack]("attack", "bench.attacks", Attack)  # type: ignore[type-abstract]
datasets = Registry[Dataset]("data set", "bench.datasets", Dataset)  # type: ignore[type-abstract]


@dataclass(frozen=True)
class Part:
    """A defense as a setting of another one: `-D classifier=resnet -D classifier.weights=FILE`.

    A field of this type needs nothing more: plans then hold the part's own settings, version and weights' hashes.
    """

    name: str
    params: Mapping[str, Any] = field(default_factory=dict)
    version: str = ""

    def make(self) -> Defense:
        """The part's recipe."""
        return defenses.make(self.name, self.params)

    def load(self, task: Task, device: str) -> Classifier:
        """The part's classifier."""
        return self.make().load(task, device)

    @classmethod
    def from_plain(cls, value: str | Mapping[str, Any]) -> Part:
        """A part from its name, or from what `to_plain` gave."""
        return cls(value) if isinstance(value, str) else cls(**value)

    def to_plain(self) -> dict[str, Any]:
        """The part as plain data."""
        return {"name": self.name, "params": dict(self.params), "version": self.version}

    def __str__(self) -> str:
        return self.name


def _summary(plugin: object) -> str:
    """The first paragraph of a docstring on one line."""
    return (inspect.getdoc(plugin) or "").partition("\n\n")[0].replace("\n", " ")


def _settle(plugin: Defense, task: Task) -> tuple[Defense, dict[str, Path]]:
    """The defense with the defaults of its whole tree of parts spelled out, and the tree's files by role."""
    settled, files = plugin.resolve(task), dict(plugin.files(task))
    for name, part in vars(settled).items():
        if isinstance(part, Part):
            inner, inner_files = _settle(part.make(), task)
            spec = defenses.spec(part.name, inner)
            files |= {f"{name}/{role}": path for role, path in inner_files.items()}
            settled = replace(settled, **{name: Part(part.name, spec.params, spec.version)})  # type: ignore[type-var]
    return settled, files


@cache
def _entry_points(group: str, path: tuple[str, ...]) -> list[EntryPoint]:
    """The entry points of a group, each once; they are found along `sys.path`, and looking takes milliseconds."""
    return list({(entry.name, entry.value): entry for entry in entry_points(group=group)}.values())


def _is_file(reference: str) -> bool:
    return reference.rpartition(":")[0].endswith(".py")


def _file_of(reference: str) -> Path:
    path = Path(reference.rpartition(":")[0])
    if not path.is_file():
        raise UsageError(f"There is no file {path}; the part before ':' must be a Python file.")
    return path


@cache
def _load_file(path: Path) -> ModuleType:
    """The module in a file, imported once under a name of its own."""
    name = f"bench_plugin_{path.stem}_{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:8]}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None  # a path that ends in .py always has a loader
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up by name
    spec.loader.exec_module(module)
    return module


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UsageError(f"The weights file {path} cannot be read ({error.strerror}); check the path.") from None
