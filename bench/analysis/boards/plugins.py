"""What is known here of the plugins that a store names: for those that are installed, what they say of themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from bench.registry import Listing, attacks, defenses


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
    return _about(_defenses(), name)


def about_attack(name: str) -> About:
    """What an attack says of itself; see `about_defense`."""
    return _about(_attacks(), name)


def _about(known: Mapping[str, Listing], name: str) -> About:
    listing = known.get(name)
    if listing is None:
        return About()
    return About(listing.summary, listing.facts.get("family", ""), listing.target, listing.facts.get("library", ""))


@cache
def _defenses() -> Mapping[str, Listing]:
    return {listing.name: listing for listing in defenses.listings()}


@cache
def _attacks() -> Mapping[str, Listing]:
    return {listing.name: listing for listing in attacks.listings()}
