"""Which kind of plugin a reference names."""

from __future__ import annotations

from typing import Literal, cast

from bench.domain.errors import BenchError, PluginError, UsageError, closest
from bench.plugins.finding import entries
from bench.plugins.registry import attacks, datasets, defenses

Kind = Literal["defense", "attack", "data set"]
REGISTRIES = (defenses, attacks, datasets)


def kind_of(reference: str) -> Kind:
    """Whether a name, `family:member`, `package.module:Attr` or `./file.py:Attr` is a defense, an attack or a data set.

    Raises `UsageError` for an unknown name, `PluginError` where the plugin is broken or none of the three.
    """
    name = reference.partition(":")[0]
    named = [registry.kind for registry in REGISTRIES if registry.holds(name)]
    if named:
        return cast(Kind, named[-1])
    if ":" not in reference:
        names = {entry.name for registry in REGISTRIES for entry in entries(registry.group)}
        raise UsageError(f"No defense, attack or data set is called {name!r}.{closest(name, names)}")
    complaints: dict[str, BenchError] = {}
    for registry in REGISTRIES:
        try:
            registry.find(reference)
        except BenchError as error:
            complaints[registry.kind] = error
        else:
            return cast(Kind, registry.kind)
    own = [error for kind, error in complaints.items() if not str(error).startswith(f"{reference} is not a {kind}")]
    if own:
        raise own[0]
    raise PluginError(
        f"{reference} is no plugin: it must be a subclass of bench.Defense, bench.Attack or bench.Dataset."
    )
