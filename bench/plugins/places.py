"""Which settings of a plugin only say where something lies on this machine, and are no content."""

from __future__ import annotations

import dataclasses
import os
import re
import types
import typing
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, Union

_HUB_ID = re.compile(r"([\w-][\w.-]*)/([\w-][\w.-]*)(?:@[\w.-]+)?")


def split_places(
    plugin: object, params: Mapping[str, Any], files: Collection[Path]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The settings of a plugin that reads these files, spelled out as `params`: those that are content, and those that
    are places, absolute.

    A place is the path of one of the files, a folder that holds one, or the id of the hub's repository in whose cache
    one lies; also a list of these, and None where that is the default of such a setting. A word that happens to be the
    name of a folder is none: only a setting that is a path by its type or by its default of None, or without which a
    file's place is not told, counts for its folder.
    """
    settings = _Settings(plugin, params)
    spots = [_Spot(file) for file in files]
    texts = settings.texts()
    exact = {key for key, values in texts.items() if all(any(spot.is_at(text) for spot in spots) for text in values)}
    folders = {
        key
        for key, values in texts.items()
        if all(any(spot.is_at(text) or spot.is_in(text) for spot in spots) for text in values)
    }
    places = exact | {key for key in folders if settings.is_path(key)}
    lost = [spot for spot in spots if not any(spot.is_near(text) for key in places for text in texts[key])]
    places |= {key for key in folders if any(spot.is_in(text) for spot in lost for text in texts[key])}
    return settings.split(places, settings.unsaid())


def split_paths(plugin: object, params: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The same for a plugin whose content is told otherwise (a data set's images): every path is a place."""
    settings = _Settings(plugin, params)
    paths = {key for key in settings.texts() if settings.admits(key, Path)}
    return settings.split(paths, {key for key in settings.unsaid() if settings.admits(key, Path)})


class _Settings:
    """A plugin's settings with their types and defaults."""

    def __init__(self, plugin: object, params: Mapping[str, Any]) -> None:
        self._plugin, self._params = plugin, params
        self._types = typing.get_type_hints(type(plugin)) if params else {}
        fields = dataclasses.fields(plugin) if params else ()  # type: ignore[arg-type]  # it has settings
        self._defaults = {field.name: field.default for field in fields}

    def texts(self) -> dict[str, tuple[str, ...]]:
        """The settings that could be places: their values as text, several for a list."""
        found = {}
        for key in self._params:
            value = getattr(self._plugin, key)
            values = value if isinstance(value, tuple | list) else (value,)
            said = values and all(isinstance(each, str | Path) and str(each) for each in values)
            if said and self.admits(key, str, Path):
                found[key] = tuple(map(str, values))
        return found

    def unsaid(self) -> set[str]:
        """The settings that leave a place to the plugin."""
        return {
            key
            for key in self._params
            if getattr(self._plugin, key) is None and self._defaults[key] is None and self.admits(key, str, Path)
        }

    def is_path(self, key: str) -> bool:
        """Whether a setting is a path by its type, or by its default of None."""
        return self.admits(key, Path) or self._defaults[key] is None

    def admits(self, key: str, *kinds: type) -> bool:
        """Whether a setting's type has one of these in it; a fixed choice of words has not."""
        return any(kind in kinds or kind is Any for kind in _kinds(self._types[key]))

    def split(self, places: Collection[str], unsaid: Collection[str]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Content, and the places made absolute."""
        content = {key: value for key, value in self._params.items() if key not in places and key not in unsaid}
        return content, {key: _absolute(self._params[key]) for key in self._params if key in places}


class _Spot:
    """Where one file lies, as it was named and with every link followed."""

    def __init__(self, file: Path) -> None:
        self._paths = _spellings(str(file))

    def is_at(self, text: str) -> bool:
        """Whether a text is its path."""
        return not _spellings(text).isdisjoint(self._paths)

    def is_in(self, text: str) -> bool:
        """Whether a text is a folder, or the hub's repository, that it lies in."""
        hub = _HUB_ID.fullmatch(text)
        repository = f"models--{hub[1]}--{hub[2]}" if hub else None
        folders = _spellings(text)
        return any(repository in path.parts or not folders.isdisjoint(path.parents) for path in self._paths)

    def is_near(self, text: str) -> bool:
        """Whether it is at a place, in it, or beside it."""
        beside = {path.parent for path in _spellings(text)}
        return self.is_at(text) or self.is_in(text) or any(path.parent in beside for path in self._paths)


def _spellings(text: str) -> set[Path]:
    if "\0" in text:
        return set()
    path = _absolute_path(text)
    return {Path(path), Path(os.path.realpath(path))}


def _absolute(value: Any) -> Any:
    """A place, spelled out as plain data, from anywhere on this machine; a hub's id as it is."""
    if isinstance(value, list):
        return [_absolute(each) for each in value]
    path = _absolute_path(value)
    return path if Path(path).exists() or not _HUB_ID.fullmatch(value) else value


def _absolute_path(text: str) -> str:
    # resolve() would follow the hub's links; Path.expanduser() fails where there is no such user
    return os.path.abspath(os.path.expanduser(text))  # noqa: PTH100, PTH111


def _kinds(wanted: Any) -> Iterator[Any]:
    """The plain types in an annotation: of `tuple[Path, ...] | None` Path and None."""
    if typing.get_origin(wanted) in (Union, types.UnionType, tuple, list):
        for inner in typing.get_args(wanted):
            yield from _kinds(inner)
    else:
        yield wanted
