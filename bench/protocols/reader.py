"""Reads protocols from TOML files, checks every key and value, and finds them by name or path."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any, cast, get_args

from bench.domain.dataset import Sampling
from bench.domain.errors import UsageError, closest
from bench.domain.threat import parse_epsilon
from bench.protocols.protocol import Protocol, ProtocolAttack

TEXTS = ("name", "version", "description", "sampling", "source")
# The smallest value that each whole number may have.
NUMBERS = {"samples": 1, "sample_seed": 0, "shard_size": 1, "seed": 0, "draws": 1}
REQUIRED = (*TEXTS, *NUMBERS, "attacks")
WHITE_BOX = "self"
DEFAULT = "transfer-1024"
STRONGEST = "adaptive-1024"


def read(path: Path) -> Protocol:
    """The protocol in a TOML file.

    Every key but `epsilon`, `fixed_noise` and `passes` must be there; an attack has a `name` and may have an `epsilon`
    and `params`. `source` is a defense's name, or "self" for white box. Raises `UsageError` for a file that is missing
    or no TOML, and for missing, unknown or unfit keys.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"The protocol {path} cannot be read ({error.strerror}); check the path.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"The protocol {path} is not a TOML file: {error}.") from None
    _check_keys(table, (*REQUIRED, "epsilon", "fixed_noise", "passes"), REQUIRED, f"The protocol {path}")
    texts = {key: _text(table[key], key, path) for key in TEXTS}
    if texts["sampling"] not in get_args(Sampling):
        raise UsageError(f"{path}: sampling must be 'random' or 'first'; found {texts['sampling']!r}.")
    numbers = {key: _number(table[key], key, least, path) for key, least in NUMBERS.items()}
    return Protocol(
        name=texts["name"],
        version=texts["version"],
        description=texts["description"],
        sampling=cast(Sampling, texts["sampling"]),
        source=None if texts["source"] == WHITE_BOX else texts["source"],
        epsilon=_epsilon(table, f"{path}"),
        attacks=_attacks(table["attacks"], path),
        fixed_noise=_flag(table, "fixed_noise", path),
        passes=_number(table["passes"], "passes", 1, path) if "passes" in table else None,
        **numbers,
    )


@cache
def builtin_protocols() -> Mapping[str, Protocol]:
    """The protocols that come with bench, by name: that of the strongest evidence first, then the default one."""
    protocols = [read(path) for path in sorted(Path(__file__).parent.glob("*.toml"))]
    protocols.sort(key=lambda each: (each.name != STRONGEST, each.name != DEFAULT, each.name))
    return {protocol.name: protocol for protocol in protocols}


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


def _check_keys(table: Mapping[str, Any], known: tuple[str, ...], required: tuple[str, ...], where: str) -> None:
    for key in table:
        if key not in known:
            raise UsageError(f"{where} has an unknown key {key!r}.{closest(key, known)}")
    for key in required:
        if key not in table:
            raise UsageError(f"{where} lacks the key {key!r}; add it.")


def _text(value: object, key: str, path: Path) -> str:
    if not isinstance(value, str) or not value.strip():
        raise UsageError(f"{path}: {key} must be text in quotes; found {value!r}.")
    return value


def _number(value: object, key: str, least: int, path: Path) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise UsageError(f"{path}: {key} must be a whole number of at least {least}; found {value!r}.")
    return value


def _flag(table: Mapping[str, Any], key: str, path: Path) -> bool:
    value = table.get(key, False)
    if not isinstance(value, bool):
        raise UsageError(f"{path}: {key} must be true or false; found {value!r}.")
    return value


def _epsilon(table: Mapping[str, Any], where: str) -> Fraction | None:
    if "epsilon" not in table:
        return None
    value = table["epsilon"]
    if not isinstance(value, str):
        raise UsageError(f"{where}: epsilon must be text, so that it stays exact, like '8/255'; found {value!r}.")
    epsilon = parse_epsilon(value)
    if epsilon <= 0:
        raise UsageError(f"{where}: epsilon must be above 0; found {value!r}.")
    return epsilon


def _attacks(value: object, path: Path) -> tuple[ProtocolAttack, ...]:
    if not isinstance(value, list) or not value or not all(isinstance(table, dict) for table in value):
        raise UsageError(f"{path}: attacks must be one or more [[attacks]] tables; found {value!r}.")
    attacks = []
    for number, table in enumerate(value, start=1):
        where = f"{path}: attack {number}"
        _check_keys(table, ("name", "epsilon", "params"), ("name",), where)
        params = table.get("params", {})
        if not isinstance(params, dict):
            raise UsageError(f"{where}: params must be a table of settings; found {params!r}.")
        attacks.append(ProtocolAttack(_text(table["name"], "name", path), _epsilon(table, where), params))
    return tuple(attacks)
