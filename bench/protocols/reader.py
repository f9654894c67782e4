"""Reads protocols from TOML files, checks every key and value, and finds them by name or path."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import cast, get_args

from bench.domain.dataset import Sampling
from bench.domain.errors import UsageError, closest
from bench.protocols.fields import Fields
from bench.protocols.protocol import Protocol, ProtocolAttack

TEXTS = ("name", "version", "description", "sampling", "source")
# The smallest value that each whole number may have.
NUMBERS = {"samples": 1, "sample_seed": 0, "seed": 0, "draws": 1}
REQUIRED = (*TEXTS, *NUMBERS, "attacks")
WHITE_BOX = "self"
DEFAULT = "transfer-1024"
STRONGEST = "adaptive-1024"


def read(path: Path) -> Protocol:
    """The protocol in a TOML file.

    Every key but `epsilon`, `shard_size`, `fixed_noise` and `passes` must be there; an attack has a `name` and may have
    an `epsilon` and `params`. `source` is a defense's name, or "self" for white box. Raises `UsageError` for a file
    that is missing or no TOML, and for missing, unknown or unfit keys.
    """
    table = Fields.read(path, "protocol")
    table.check(REQUIRED, ("epsilon", "shard_size", "fixed_noise", "passes"), "protocol")
    texts = {key: table.text(key) for key in TEXTS}
    if texts["sampling"] not in get_args(Sampling):
        raise UsageError(f"{path}: sampling must be 'random' or 'first'; found {texts['sampling']!r}.")
    return Protocol(
        name=texts["name"],
        version=texts["version"],
        description=texts["description"],
        sampling=cast(Sampling, texts["sampling"]),
        source=None if texts["source"] == WHITE_BOX else texts["source"],
        epsilon=table.epsilon(),
        attacks=tuple(_attack(each) for each in table.tables("attacks", "attack", needed=True)),
        fixed_noise=table.flag("fixed_noise"),
        shard_size=table.count("shard_size", 1),
        passes=table.count("passes", 1),
        **{key: table.number(key, least) for key, least in NUMBERS.items()},
    )


@cache
def builtin_protocols() -> Mapping[str, Protocol]:
    """The protocols that come with bench, by name: that of the strongest evidence first, then the default one."""
    protocols = [read(path) for path in sorted(Path(__file__).parent.glob("*.toml"))]
    protocols.sort(key=lambda each: (each.name != STRONGEST, each.name != DEFAULT, each.name))
    return {protocol.name: protocol for protocol in protocols}


def known_with(own: Iterable[Protocol]) -> Collection[Protocol]:
    """The built-in protocols and these; one of a built-in one's name stands in its place."""
    return {**builtin_protocols(), **{protocol.name: protocol for protocol in own}}.values()


def find_protocol(reference: str) -> Protocol:
    """The built-in protocol of this name, or the one in the file at this path (it ends in .toml)."""
    if reference.endswith(".toml"):
        return read(Path(reference))
    known = builtin_protocols()
    if reference in known:
        return known[reference]
    raise UsageError(
        f"No protocol is called {reference!r}.{closest(reference, known)} A file of your own ends in .toml."
    )


def _attack(table: Fields) -> ProtocolAttack:
    table.check(("name",), ("epsilon", "params"))
    return ProtocolAttack(table.text("name"), table.epsilon(), table.settings())
