"""The names of a study's rows, columns and trainings: each is given once, and what is named must be there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from bench.domain.errors import UsageError
from bench.protocols.fields import Fields

CLEAN = "clean"
"""The name of the column of untouched images, which every study has."""


@dataclass(frozen=True)
class Names:
    """What rows or columns a study names, and which of them are there on this data set and scale."""

    kind: str
    known: tuple[str, ...]
    present: tuple[str, ...]

    def check(self, name: str, table: Fields) -> str:
        """The same name. Raises `UsageError` where the study has no such row or column at all."""
        must_be_known(name, self.known, f"{table.where} names a {self.kind} that is not there:")
        return name

    def listed(self, table: Fields, key: str) -> tuple[str, ...]:
        """Those that a table lists under a key and that are there."""
        return self.those(table.names(key), table)

    def those(self, names: Iterable[str], table: Fields) -> tuple[str, ...]:
        """Those of the names that are there."""
        return tuple(name for name in names if self.check(name, table) in self.present)


def called(tables: Iterable[Fields]) -> tuple[str, ...]:
    """The names of tables, those that are left out here too; each must have one."""
    names: list[str] = []
    for each in tables:
        each.check(("name",), each.values)
        if each.text("name") in (*names, CLEAN):
            raise UsageError(f"{each.where}: the name {each.text('name')!r} is taken; give it another.")
        names.append(each.text("name"))
    return tuple(names)


def must_be_known(name: object, known: Any, complaint: str) -> None:
    """Raises `UsageError` with the complaint for a name that is not among those known."""
    if name not in known:
        raise UsageError(f"{complaint} {name!r}; there are {', '.join(known) or 'none'}.")
