"""What people write on a plan: tags to find it by, and notes. No part of what a plan is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bench.domain.errors import UsageError
from bench.domain.text import visible

LONGEST_TAG, LONGEST_NOTE = 40, 2000
PARTING = ",;"
"""What stands between tags where several are written in one text."""


@dataclass(frozen=True)
class Labels:
    """Tags and notes, each once and in order; `of` checks what people write."""

    tags: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, tags: Iterable[str] = (), notes: Iterable[str] = ()) -> Labels:
        """These tags and notes without blanks around them. Raises `UsageError` for one that is none."""
        return cls(tuple(sorted(set(map(_tag, tags)))), tuple(dict.fromkeys(map(_note, notes))))

    def __bool__(self) -> bool:
        return bool(self.tags or self.notes)


def _tag(text: str) -> str:
    tag = str(text).strip()
    if not tag or len(tag) > LONGEST_TAG or not tag.isprintable() or visible(tag) != tag or set(tag) & set(PARTING):
        raise UsageError(
            f"A tag is at most {LONGEST_TAG} printable characters without comma or semicolon, such as nightly; "
            f"got {str(text)[:LONGEST_TAG]!r}."
        )
    return tag


def _note(text: str) -> str:
    note = str(text).strip()
    if not note or len(note) > LONGEST_NOTE or visible(note) != note:
        raise UsageError(
            f"A note is at most {LONGEST_NOTE} characters of plain text; got {len(note)}, "
            f"beginning with {note[:LONGEST_TAG]!r}."
        )
    return note
