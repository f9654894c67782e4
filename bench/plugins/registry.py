"""Name -> plugin: entry points, `family:member`, `package.module:Attr` and `./file.py:Attr`, all found the same way."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar, cast, runtime_checkable

from bench.domain.attack import Attack
from bench.domain.blame import blame
from bench.domain.dataset import Dataset, Task
from bench.domain.defense import Classifier, Defense
from bench.domain.errors import BenchError, PluginError, UsageError, closest
from bench.domain.plan import Spec
from bench.plugins.code import code_version
from bench.plugins.files import sha256_of
from bench.plugins.finding import entries, from_target, importing, is_script, name_of, script_of
from bench.plugins.places import split_paths, split_places
from bench.plugins.settings import as_json, configure, describe, spell_out

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
        name, colon, _ = reference.partition(":")
        if not colon and name.endswith(".py"):
            raise UsageError(f"{reference} is a file; name the {self.kind} in it as well: {reference}:Mine.")
        if self.holds(name) or not colon:
            found = self._member(reference, self._registered(name))
        else:
            found = from_target(reference)
        if not (inspect.isclass(found) and issubclass(found, self.base)):
            raise PluginError(f"{reference} is not a {self.kind}: it must be a subclass of bench.{self.base.__name__}.")
        if inspect.isabstract(found):
            missing = ", ".join(sorted(found.__abstractmethods__))
            raise PluginError(f"{reference} does not define {missing}, which every {self.kind} needs.")
        return found

    def holds(self, name: str) -> bool:
        """Whether a plugin or a family is registered under this name."""
        return bool(self._entries(name))

    def make(self, reference: str, settings: Mapping[str, Any]) -> P:
        """An instance with these settings (text or plain data)."""
        return configure(self.find(reference), settings, reference)

    def spec(
        self, reference: str, plugin: P, task: Task | None = None, device: Callable[[], str] | None = None
    ) -> Spec:
        """The plugin as content, and the places of this machine beside it.

        A defense is spelled out for a task, with the SHA-256 of every file that it and its parts read, and, where
        `device` is given, for that kind of device. Raises `PluginError` where the plugin fails or gives nonsense.
        """
        name, place = name_of(reference)
        with blame(name):
            version = self._version(reference, plugin)
            weights: dict[str, str] = {}
            if isinstance(plugin, Defense) and task is not None:
                params, paths, weights = _settled(plugin, task, device)
            elif isinstance(plugin, Dataset):
                params, paths = split_paths(plugin, spell_out(plugin))
            else:
                params, paths = spell_out(plugin), {}
            place |= {"params": paths} if paths else {}
            return Spec(name, as_json(params), version, weights, place)

    def listings(self) -> list[Listing]:
        """Every registered plugin, the broken ones with their reason."""
        return [self._listing(entry) for entry in sorted(entries(self.group), key=lambda entry: entry.name)]

    def _listing(self, entry: EntryPoint) -> Listing:
        try:
            found = self._registered(entry.name)
            if isinstance(found, Family):
                return Listing(f"{entry.name}:NAME", entry.value, _summary(found), {}, {}, family=True)
            plugin = self.find(entry.name)
            with blame(entry.name):
                facts = {fact: str(getattr(plugin, fact, "")) for fact in ("norm", "knowledge", "family", "library")}
                settings = describe(plugin)
        except BenchError as error:
            return Listing(entry.name, entry.value, "", {}, {}, broken=str(error))
        facts = {fact: value for fact, value in facts.items() if value}
        return Listing(entry.name, entry.value, _summary(plugin), settings, facts)

    def _entries(self, name: str) -> list[EntryPoint]:
        return [entry for entry in entries(self.group) if entry.name == name]

    def _registered(self, name: str) -> object:
        """What one entry point names; `PluginError` where two claim the name."""
        matches = self._entries(name)
        if not matches:
            names = [entry.name for entry in entries(self.group)]
            raise UsageError(f"No {self.kind} is called {name!r}.{closest(name, names)}")
        if len(matches) > 1:
            targets = " and ".join(sorted(entry.value for entry in matches))
            raise PluginError(
                f"The {self.kind} name {name!r} is registered twice, by {targets}; uninstall one of them."
            )
        with importing(f"The {self.kind} {name!r} ({matches[0].value})"):
            found: object = matches[0].load()
        return found

    def _member(self, reference: str, found: object) -> object:
        """The member of a family, or what stands alone; `UsageError` where the one is named like the other."""
        name, _, member = reference.partition(":")
        if not isinstance(found, Family):
            if member:
                raise UsageError(f"{name} is one {self.kind} and has no members; leave out ':{member}'.")
            return found
        with importing(f"The {self.kind} {reference!r}"):
            names = found.members()
            if member in names:
                return found.member(member)
        if not member:
            raise UsageError(f"{name} is a family; name a member as in {name}:NAME. It has {', '.join(sorted(names))}.")
        raise UsageError(f"{name} has no member {member!r}.{closest(member, names)}")

    def _version(self, reference: str, plugin: P) -> str:
        """The plugin's revision, and what stands for its code where that is not ours."""
        if not isinstance(plugin.revision, str):
            found = type(plugin.revision).__name__
            raise PluginError(f"its revision is of type {found}; it must be a text.")
        if is_script(reference):
            return plugin.revision + code_version(type(plugin), script=script_of(reference))
        modules = [entry.module for entry in self._entries(reference.partition(":")[0])]
        if not modules and ":" in reference:
            modules = [reference.rpartition(":")[0]]
        return plugin.revision + code_version(type(plugin), modules)


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


def _settled(
    plugin: Defense, task: Task, device: Callable[[], str] | None
) -> tuple[dict[str, Any], dict[str, Any], dict[str, str]]:
    """A defense's settings with the defaults of its whole tree of parts spelled out, those of them that are places, and
    the SHA-256 of the tree's files by role."""
    settled = _checked(plugin, plugin.resolve(task), "resolve")
    if device is not None:
        settled = _checked(plugin, settled.on(task, device), "on")
    files = _files(settled, task)
    params, places = split_places(settled, spell_out(settled), files.values())
    weights = {role: sha256_of(files[role]) for role in sorted(files)}
    for name in list(params):
        part = getattr(settled, name)
        if isinstance(part, Part):
            inner = defenses.spec(part.name, part.make(), task, device)
            params[name] = Part(inner.name, inner.params, inner.version).to_plain()
            if inner.place:
                places[name] = Part(inner.reference, inner.settings, inner.version).to_plain()
            weights |= {f"{name}/{role}": digest for role, digest in inner.weights.items()}
    return params, places, weights


def _checked(plugin: Defense, found: object, method: str) -> Defense:
    if not isinstance(found, type(plugin)):
        raise PluginError(f"{method}() gave {type(found).__name__}; it must give a {type(plugin).__name__}.")
    return found


def _files(plugin: Defense, task: Task) -> dict[str, Path]:
    """The files that a defense names; `PluginError` where they are no paths by role."""
    found = cast(object, plugin.files(task))
    if not isinstance(found, Mapping):
        raise PluginError(f"files() gave {type(found).__name__}; it must give paths by role.")
    for role, path in found.items():
        if not isinstance(role, str) or not isinstance(path, str | Path):
            raise PluginError(f"files() gave {path!r} as {role!r}; it must give paths by role.")
    return {role: Path(path) for role, path in found.items()}
