"""What is known here of the plugins that a store names: for those that are installed, what they say of themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from bench.plugins.registry import Registry, attacks, defenses


@dataclass(frozen=True)
class About:
    """A plugin's one-line summary, its family, where its code is (`module:Class`), and the library that an attack runs;
    empty where nothing is known."""

    summary: str = ""
    family: str = ""
    target: str = ""
    library: str = ""


def about_defense(name: str) -> About:
    """What a defense says of itself.

    Only what is registered is asked: a name in a store may be a file or a module, and reading a store runs no code
    that it names.
    """
    return _all_about(defenses).get(name, About())


def about_attack(name: str) -> About:
    """What an attack says of itself; see `about_defense`."""
    return _all_about(attacks).get(name, About())


@cache
def _all_about(registry: Registry[Any]) -> Mapping[str, About]:
    return {
        each.name: About(each.summary, each.facts.get("family", ""), each.target, each.facts.get("library", ""))
        for each in registry.listings()
    }
