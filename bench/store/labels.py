"""What people have written on plans: tags and notes, kept beside them under their digest."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from bench.domain.labels import Labels
from bench.domain.plan import Plan
from bench.store.database.dialects import inserting
from bench.store.database.schema import LabelRow
from bench.store.database.sessions import Sessions
from bench.store.rows.records import now
from bench.store.rows.writing import add_plan

TAG, NOTE = "tag", "note"


class LabelBook:
    """Tags and notes of a store's plans. Of an older schema, which has no room for them, nobody has any (`is_kept`)."""

    def __init__(self, sessions: Sessions, is_kept: bool = True) -> None:
        self._sessions = sessions
        self._is_kept = is_kept

    def all(self) -> dict[str, Labels]:
        """Those of every plan that has any, by digest."""
        return self._read(None)

    def of(self, digest: str) -> Labels:
        """Those of one plan, the notes in the order in which they were written."""
        return self._read(digest).get(digest, Labels())

    def add(self, plans: Sequence[Plan], labels: Labels, *, computed_here: bool = True) -> None:
        """Write them on these plans, finished or not, beside what is written there; each stays once.

        `computed_here` as for a plan's own row: whether its places are this machine's.
        """
        if labels and plans:
            self._sessions.write(lambda session: _add(session, plans, labels, computed_here))

    def remove(self, digest: str, texts: Collection[str]) -> tuple[str, ...]:
        """Take tags or notes of exactly these texts off a plan; those of them that were there."""
        return self._sessions.write(lambda session: _remove(session, digest, texts))

    def _read(self, digest: str | None) -> dict[str, Labels]:
        if not self._is_kept:
            return {}
        query = select(LabelRow.plan, LabelRow.kind, LabelRow.text).order_by(LabelRow.added, LabelRow.sha256)
        if digest is not None:
            query = query.where(LabelRow.plan == digest)
        found: dict[str, tuple[list[str], list[str]]] = {}
        for plan, kind, text in self._sessions.read(lambda session: session.execute(query).all()):
            found.setdefault(plan, ([], []))[kind != TAG].append(_legible(text))
        return {plan: Labels(tuple(sorted(tags)), tuple(notes)) for plan, (tags, notes) in found.items()}


def _legible(text: object) -> str:
    """The text, in which what is no letter stands as its number."""
    return str(text).encode(errors="backslashreplace").decode()


def _add(session: Session, plans: Sequence[Plan], labels: Labels, computed_here: bool) -> None:
    written, texts = now(), [*((TAG, tag) for tag in labels.tags), *((NOTE, note) for note in labels.notes)]
    for plan in plans:
        add_plan(session, plan, computed_here)
        for kind, text in texts:
            row = inserting(session, LabelRow).values(
                plan=plan.digest, sha256=_key(kind, text), kind=kind, text=text, added=written
            )
            session.execute(row.on_conflict_do_nothing())


def _remove(session: Session, digest: str, texts: Collection[str]) -> tuple[str, ...]:
    mine = LabelRow.plan == digest
    found = session.scalars(select(LabelRow.text).where(mine, LabelRow.text.in_(texts))).all()
    session.execute(delete(LabelRow).where(mine, LabelRow.text.in_(texts)))
    return tuple(found)


def _key(kind: str, text: str) -> str:
    """A key of fixed length, for a note may be longer than an index takes."""
    return hashlib.sha256(f"{kind}\n{text}".encode()).hexdigest()
