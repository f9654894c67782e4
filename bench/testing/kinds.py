"""Which kind of plugin a reference names."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Literal

from bench.domain.errors import BenchError, PluginError, UsageError, closest
from bench.registry import attacks, datasets, defenses

Kind = Literal["defense", "attack", "data set"]


def kind_of(reference: str) -> Kind:
    """Whether a name, `family:member`, `package.module:Attr` or `./file.py:Attr` is a defense, an attack or a data set.

    Raises `UsageError` for an unknown name, `PluginError` where the plugin is broken or none of the three.
    """
    name = reference.partition(":")[0]
    if ":" not in reference or any(registry.holds(name) for registry in (defenses, attacks, datasets)):
        return _kind_of_name(name)
    complaints: dict[str, BenchError] = {}
    for registry in (defenses, attacks, datasets):
        try:
            registry.find(reference)
        except BenchError as error:
            complaints[registry.kind] = error
        else:
            return registry.kind  # type: ignore[return-value]  # one of the three words
    own = [error for kind, error in complaints.items() if not str(error).startswith(f"{reference} is not a {kind}")]
    if own:
        raise own[0]
    raise PluginError(
        f"{reference} is no plugin: it must be a subclass of bench.Defense, bench.Attack or bench.Dataset."
    )


def _kind_of_name(name: str) -> Kind:
    names: dict[str, Kind] = {}
    for registry in (defenses, attacks, datasets):
        names |= dict.fromkeys((entry.name for entry in entry_points(group=registry.group)), registry.kind)  # type: ignore[arg-type]  # one of the three words
    if name not in names:
        raise UsageError(f"No defense, attack or data set is called {name!r}.{closest(name, names)}")
    return names[name]
