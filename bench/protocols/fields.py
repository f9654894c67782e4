"""A table of a TOML file whose values are checked as they are read; every complaint names the file and the key."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeVar

from bench.domain.errors import UsageError, closest
from bench.domain.threat import parse_epsilon

T = TypeVar("T")


@dataclass(frozen=True)
class Fields:
    """A table, and where it stands: in which file, and at which place of it ('attack 2'; nothing for the whole file).

    Every method raises `UsageError` where a value is not what it promises.
    """

    values: Mapping[str, Any]
    path: Path
    place: str = ""

    @classmethod
    def read(cls, path: Path, kind: str) -> Fields:
        """The whole of a file, which complaints call the `kind`."""
        try:
            return cls(tomllib.loads(path.read_text(encoding="utf-8")), path)
        except OSError as error:
            raise UsageError(f"The {kind} {path} cannot be read ({error.strerror}); check the path.") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise UsageError(f"The {kind} {path} is not a TOML file: {error}.") from None

    @property
    def where(self) -> str:
        """The file and the place."""
        return f"{self.path}: {self.place}" if self.place else f"{self.path}"

    def __contains__(self, key: str) -> bool:
        return key in self.values

    def check(self, required: Iterable[str], optional: Iterable[str] = (), kind: str = "") -> None:
        """That no key is unknown and no required one is missing; `kind` is what a whole file is called."""
        known = (*required, *optional)
        where = f"The {kind} {self.path}" if kind else self.where
        for key in self.values:
            if key not in known:
                raise UsageError(f"{where} has an unknown key {key!r}.{closest(key, known)}")
        for key in required:
            if key not in self.values:
                raise UsageError(f"{where} lacks the key {key!r}; add it.")

    def text(self, key: str) -> str:
        """Text that is not blank."""
        value: str = self.values[key]
        return self._fit(key, value, isinstance(value, str) and bool(value.strip()), "text in quotes")

    def number(self, key: str, least: int) -> int:
        """A whole number of at least `least`."""
        value: int = self.values[key]
        return self._fit(key, value, type(value) is int and value >= least, f"a whole number of at least {least}")

    def count(self, key: str, least: int) -> int | None:
        """A whole number of at least `least`; None where it is missing."""
        return self.number(key, least) if key in self else None

    def share(self, value: object) -> float:
        """A percentage that the table holds, as a share."""
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 100:
            raise UsageError(f"{self.where}: a percentage lies between 0 and 100; found {value!r}.")
        return value / 100

    def names(self, key: str) -> tuple[str, ...]:
        """A list of names, at least one."""
        value = self.values[key]
        holds = isinstance(value, list) and bool(value) and all(isinstance(each, str) for each in value)
        return tuple(self._fit(key, value, holds, "a list of names"))

    def whole_numbers(self, key: str) -> tuple[int, ...]:
        """Whole numbers from 0, at least one."""
        value = self.values[key]
        holds = isinstance(value, list) and bool(value) and all(type(each) is int and each >= 0 for each in value)
        return tuple(self._fit(key, value, holds, "a list of whole numbers from 0"))

    def flag(self, key: str) -> bool:
        """True or false; false where it is missing."""
        value: bool = self.values.get(key, False)
        return self._fit(key, value, isinstance(value, bool), "true or false")

    def epsilon(self) -> Fraction | None:
        """The exact budget under `epsilon`; None where it is missing."""
        if "epsilon" not in self.values:
            return None
        value = self.values["epsilon"]
        self._fit("epsilon", value, isinstance(value, str), "text, so that it stays exact, like '8/255'")
        epsilon = parse_epsilon(value)
        self._fit("epsilon", value, epsilon > 0, "above 0")
        return epsilon

    def settings(self, key: str = "params") -> Mapping[str, Any]:
        """A table of settings; an empty one where it is missing."""
        value: Mapping[str, Any] = self.values.get(key, {})
        return self._fit(key, value, isinstance(value, dict), "a table of settings")

    def within(self, key: str) -> Fields:
        """The table of settings under a key, which complaints place where this one stands."""
        return Fields(self.settings(key), self.path, self.place)

    def tables(self, key: str, place: str, *, needed: bool = False) -> tuple[Fields, ...]:
        """The tables under [[key]] of the whole file, each at its own place: 'attack 1', 'attack 2'."""
        value = self.values.get(key, [])
        holds = isinstance(value, list) and all(isinstance(each, dict) for each in value) and bool(value or not needed)
        self._fit(key, value, holds, f"one or more [[{key}]] tables")
        return tuple(Fields(each, self.path, f"{place} {number}") for number, each in enumerate(value, start=1))

    def _fit(self, key: str, value: T, holds: bool, what: str) -> T:
        if not holds:
            raise UsageError(f"{self.where}: {key} must be {what}; found {value!r}.")
        return value
