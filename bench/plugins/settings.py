"""A plugin's settings: text from the command line or data from a plan, checked against the fields of its dataclass."""

from __future__ import annotations

import dataclasses
import itertools
import json
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, TypeVar, Union

from bench.domain.blame import blame
from bench.domain.errors import PluginError, UsageError, closest
from bench.domain.threat import exact

T = TypeVar("T")

_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")
LARGEST = 2**63
"""Whole numbers are below this one, as in every library and database that they reach."""
_WORDS = {bool: "true or false", int: "a whole number", float: "a number", Fraction: "a number such as 8/255"}


def parse_pairs(pairs: Iterable[str]) -> dict[str, str]:
    """Settings from `key=value` words; `UsageError` for a word without '=' or a key given twice."""
    settings: dict[str, str] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise UsageError(f"The setting {pair!r} has no value; write it as key=value.")
        if key in settings:
            raise UsageError(f"The setting {key!r} is given twice; only `bench sweep` and `bench train` take several.")
        settings[key.strip()] = value.strip() if key.endswith(" ") else value  # a prompt may end in a blank
    return settings


def written(params: Mapping[str, Any]) -> dict[str, str]:
    """Settings as words write them, so that `configure` makes the same plugin of them again.

    A part is its name, followed by its own settings under dotted keys: `classifier` and `classifier.width`.
    """
    words: dict[str, str] = {}
    for key, value in params.items():
        if is_part(value):
            words[key] = value["name"]
            words |= {f"{key}.{inner}": text for inner, text in written(value["params"]).items()}
        else:
            words[key] = setting_text(value)
    return words


def setting_text(value: Any) -> str:
    """A setting's value as one writes it after `key=`; of a part its name with its own settings in brackets."""
    if value is None or isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return ",".join(map(setting_text, value))
    if is_part(value):
        inner = ", ".join(f"{key}={text}" for key, text in written(value["params"]).items())
        return f"{value['name']} ({inner})" if inner else str(value["name"])
    return str(value)


def is_part(value: Any) -> bool:
    """Whether a setting's plain value is a defense with settings of its own."""
    return isinstance(value, Mapping) and {"name", "params"} <= value.keys() <= {"name", "params", "version"}


def parse_axes(pairs: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Settings from `key=value` words where a key may be given several times: the values of an axis, each once."""
    axes: dict[str, dict[str, None]] = {}
    for pair in pairs:
        for key, value in parse_pairs([pair]).items():
            axes.setdefault(key, {})[value] = None
    return {key: tuple(values) for key, values in axes.items()}


def combinations(axes: Mapping[str, Sequence[str]]) -> list[dict[str, str]]:
    """One set of settings for every combination of the axes' values, the last axis fastest."""
    return [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]


def choices(plugin: type, key: str) -> tuple[str, ...]:
    """The values of a setting that has a fixed choice of them; empty for any other."""
    wanted = typing.get_type_hints(plugin).get(key) if dataclasses.is_dataclass(plugin) else None
    return tuple(map(str, typing.get_args(wanted))) if typing.get_origin(wanted) is Literal else ()


def configure(plugin: type[T], settings: Mapping[str, Any], name: str) -> T:
    """An instance with these settings, each converted to its field's type.

    Raises `UsageError` for an unknown setting, a value of another type, or one that the plugin itself refuses, and
    `PluginError` where the plugin fails in any other way.
    """
    with blame(name):
        given = _converted(plugin, settings, name)
        missing = [key for key in _without_default(plugin) if key not in given]
        if missing:
            raise UsageError(
                f"{name} needs a value of its setting {missing[0]}, which has no default; give a defense "
                f"-D {missing[0]}=VALUE, an attack -A {missing[0]}=VALUE, a data set -S {missing[0]}=VALUE."
            )
        try:
            return plugin(**given)
        except (TypeError, ValueError) as error:
            raise UsageError(f"{name} does not accept these settings: {error}.") from None


def _without_default(plugin: type) -> list[str]:
    """The settings that somebody must give."""
    fields = dataclasses.fields(plugin) if dataclasses.is_dataclass(plugin) else ()
    missing = dataclasses.MISSING
    return [each.name for each in fields if each.init and each.default is each.default_factory is missing]


def override(instance: T, settings: Mapping[str, Any], name: str) -> T:
    """The dataclass with some fields replaced, converted and checked like `configure` does."""
    try:
        replaced = dataclasses.replace(instance, **_converted(type(instance), settings, name))  # type: ignore[type-var]
    except ValueError as error:
        raise UsageError(f"{name} does not accept these settings: {error}.") from None
    return replaced


def spell_out(instance: object) -> dict[str, Any]:
    """All settings of a plugin as plain JSON data, defaults included."""
    if not dataclasses.is_dataclass(instance):
        return {}
    return {field.name: _plain(getattr(instance, field.name)) for field in dataclasses.fields(instance) if field.init}


def as_json(params: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as they will be read from a store: lists for tuples, text for keys."""
    found: dict[str, Any] = {}
    for key, value in params.items():
        try:
            found[key] = json.loads(json.dumps(value))
        except (TypeError, ValueError) as error:
            raise PluginError(f"its setting {key} is no plain data ({error}); a plan cannot hold it.") from None
    return found


def describe(plugin: type) -> dict[str, str]:
    """Each setting of a plugin with its default as text ('required' where it has none)."""
    if not dataclasses.is_dataclass(plugin):
        return {}
    described = {}
    for field in dataclasses.fields(plugin):
        if field.default is not dataclasses.MISSING:
            described[field.name] = str(field.default if hasattr(field.default, "to_plain") else _plain(field.default))
        elif field.default_factory is not dataclasses.MISSING:
            described[field.name] = str(_plain(field.default_factory()))
        else:
            described[field.name] = "required"
    return described


def _converted(plugin: type, settings: Mapping[str, Any], name: str) -> dict[str, Any]:
    if settings and not dataclasses.is_dataclass(plugin):
        raise UsageError(f"{name} has no settings; {', '.join(settings)} cannot be set.")
    settings = _gathered(plugin, settings)
    types_of = typing.get_type_hints(plugin) if settings else {}
    known = [field.name for field in dataclasses.fields(plugin) if field.init] if settings else []
    for key in settings:
        if key not in known:
            raise UsageError(f"{name} has no setting {key!r}.{closest(key, known)}")
    return {key: _convert(value, types_of[key], f"{name}: {key}") for key, value in settings.items()}


def _gathered(plugin: type, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of a part (`classifier.weights=x`) gathered under the part's own name."""
    gathered = {key: value for key, value in settings.items() if "." not in key}
    for key in [key for key in settings if "." in key]:
        part, _, inner = key.partition(".")
        held = gathered.get(part, _plain(getattr(plugin, part, None)))
        held = {"name": held} if isinstance(held, str) else held
        if not isinstance(held, dict):
            raise UsageError(f"{part!r} is no part with settings of its own; {key!r} cannot be set.")
        gathered[part] = {**held, "params": {**held.get("params", {}), inner: settings[key]}}
    return gathered


def _convert(value: Any, wanted: Any, label: str) -> Any:
    """`value` (text, or JSON data) as the annotated type."""
    if hasattr(wanted, "from_plain"):
        return value if isinstance(wanted, type) and isinstance(value, wanted) else wanted.from_plain(value)
    origin = typing.get_origin(wanted)
    if origin in (Union, types.UnionType):
        return _convert_optional(value, typing.get_args(wanted), label)
    if origin is Literal:
        choices = typing.get_args(wanted)
        match = [choice for choice in choices if str(choice) == str(value)]
        if match:
            return match[0]
        raise UsageError(f"{label} must be one of {', '.join(map(str, choices))}; got {value!r}.")
    if origin is tuple:
        items = value.split(",") if isinstance(value, str) else list(value)
        inner = typing.get_args(wanted)[0]
        return tuple(_convert(item, inner, label) for item in items if item != "")
    if wanted is bool:
        word = str(value).lower()
        if word not in _TRUE + _FALSE:
            raise UsageError(f"{label} must be {_WORDS[bool]}; got {value!r}.")
        return word in _TRUE
    if wanted in (int, float, Fraction, str, Path):
        try:
            found = exact(str(value)) if wanted is Fraction else wanted(value)
            if found != found:
                raise ValueError
        except (TypeError, ValueError, OverflowError):
            raise UsageError(f"{label} must be {_WORDS.get(wanted, wanted.__name__)}; got {value!r}.") from None
        if wanted is int and abs(found) >= LARGEST:
            raise UsageError(f"{label} must be below 2^63; got a number of {len(str(abs(found)))} digits.")
        return found
    return value


def _convert_optional(value: Any, choices: tuple[Any, ...], label: str) -> Any:
    if value is None or (isinstance(value, str) and value.lower() == "none" and type(None) in choices):
        return None
    complaint: UsageError | None = None
    for choice in choices:
        if choice is not type(None):
            try:
                return _convert(value, choice, label)
            except UsageError as error:
                complaint = error
    raise complaint or UsageError(f"{label} cannot be {value!r}.")


def _plain(value: Any) -> Any:
    if isinstance(value, Fraction | Path):
        return str(value)
    if hasattr(value, "to_plain"):
        return _plain(value.to_plain())
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return value
