"""Reads plans, shards and outcomes as they are stored; what cannot be read is left out and remembered by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, NamedTuple

from sqlalchemy import Connection, Text, cast, func, select

from bench.domain.errors import StoreError
from bench.domain.outcomes import Outcomes
from bench.domain.plan import Plan
from bench.domain.text import command
from bench.store.database.schema import PlanRow, ShardRow
from bench.store.database.sessions import Found, Sessions
from bench.store.rows.checking import UnfitError, plan_of
from bench.store.rows.outcomes import Packed, Shared
from bench.store.rows.reading import conflict_rows, packed_of_plan, records_of, shard_rows, sound_conflicts
from bench.store.rows.records import Conflict, ShardRecord
from bench.store.rows.samples import outcomes_of

DEFAULT = "results.db"
"""The store that verbs work on where none is named."""
# As text: one broken document must not keep all the others from being read.
_DOCUMENT, _PLACES = cast(PlanRow.document, Text), cast(PlanRow.places, Text)


class UnreadableError(StoreError):
    """What the store says of a plan is not of the form that bench gives it, for the `reason` given."""

    def __init__(self, sentence: str, reason: str) -> None:
        super().__init__(sentence)
        self.reason = reason


class Stored(NamedTuple):
    """What the tables say of a plan, and how many shards it has, the newest of which has this number as its id."""

    digest: str
    document: str | None
    places: str | None
    shards: int
    newest: int


class Reader:
    """Reads a store's tables; `rowwise` are an older bench's. `skipped` holds what was left out, by digest."""

    def __init__(self, sessions: Sessions, rowwise: bool) -> None:
        self.skipped: dict[str, UnreadableError] = {}
        self._sessions, self._rowwise = sessions, rowwise
        self._sound: dict[str, Stored] = {}

    def stored(self) -> list[Stored]:
        """What the store says of each plan with a finished shard, oldest first."""
        count, newest = func.count().label("shards"), func.max(ShardRow.id).label("newest")
        finished = select(ShardRow.plan, count, newest).group_by(ShardRow.plan).subquery()
        query = (
            select(finished.c.plan, _DOCUMENT, _PLACES, finished.c.shards, finished.c.newest)
            .select_from(finished)
            .outerjoin(PlanRow, PlanRow.digest == finished.c.plan)
            .order_by(PlanRow.created, finished.c.plan)
        )
        return [Stored(str(digest), *rest) for digest, *rest in self._connected(lambda link: link.execute(query).all())]

    def sound(self, several: Iterable[Stored]) -> list[Plan]:
        """Those of these plans that can be read, with all that is stored of them."""
        _, disputed = sound_conflicts(self._connected(lambda link: conflict_rows(link, None)))
        return self._each(several, lambda stored: stored.digest, lambda stored: self._read(stored, disputed))

    def described(self, several: Iterable[Stored]) -> list[Plan]:
        """Those of these plans that can be read, whatever is stored of their shards."""
        return self._each(several, lambda stored: stored.digest, lambda stored: plan_of(stored.digest, stored.document))

    def under_way(self, digests: Iterable[str]) -> list[Plan]:
        """Those of these plans that can be read, with finished shards or without."""

        def read(digest: str) -> Plan:
            plan = self.plan(digest)
            self.shards(plan)
            return plan

        return self._each(digests, lambda digest: digest, read)

    def plan(self, digest: str) -> Plan:
        """The plan of a digest, with finished shards or without. Raises `UnreadableError`, as all that follow."""
        query = select(_DOCUMENT, _PLACES).where(PlanRow.digest == digest)
        found = self._connected(lambda link: link.execute(query).all())
        return self._told(digest, lambda: plan_of(digest, *found[0] if found else (None,)))

    def shards(self, plan: Plan) -> tuple[ShardRecord, ...]:
        """The finished shards of a plan, in their order."""
        rows = self._connected(partial(shard_rows, plan=plan.digest))
        return self._told(plan.digest, lambda: records_of(rows))

    def outcomes(self, plan: Plan, shared: Shared | None = None) -> tuple[Outcomes, list[Packed]]:
        """The outcomes of a plan's finished shards, in its order, and as they are stored."""

        def read() -> tuple[Outcomes, list[Packed]]:
            numbers, packed = self._connected(partial(packed_of_plan, plan=plan.digest, rowwise=self._rowwise))
            return outcomes_of(plan, numbers, packed, shared), packed

        return self._told(plan.digest, read)

    def conflicts(self, plan: Plan | None) -> tuple[Conflict, ...]:
        """The conflicts about a plan, or, of those about all, the ones that can be read."""
        found, broken = sound_conflicts(self._connected(lambda link: conflict_rows(link, plan)))
        if plan is not None and broken:
            raise self._unreadable(plan.digest, *broken.values())
        return tuple(found)

    def hint(self, *words: str) -> str:
        """A command on this store, as a message hints at it."""
        location = self._sessions.location
        return command(*words, *([] if location == DEFAULT else ["--db", location]))

    def _read(self, stored: Stored, disputed: dict[str, str]) -> Plan:
        plan = plan_of(stored.digest, stored.document, stored.places)
        if stored.digest in disputed:
            raise UnfitError(disputed[stored.digest])
        if self._sound.get(stored.digest) != stored:
            self.shards(plan)
            self.outcomes(plan)
            self._sound[stored.digest] = stored
        return plan

    def _each(self, several: Iterable[Any], name: Callable[[Any], str], read: Callable[[Any], Plan]) -> list[Plan]:
        found: list[Plan] = []
        for each in several:
            digest = name(each)
            try:
                found.append(self._told(digest, partial(read, each)))
            except UnreadableError as error:
                self.skipped[digest] = error
        return found

    def _told(self, digest: str, read: Callable[[], Found]) -> Found:
        """What `read` returns; where it is unfit, `UnreadableError` with what to do."""
        try:
            return read()
        except UnfitError as error:
            raise self._unreadable(digest, error) from None

    def _unreadable(self, digest: str, reason: object) -> UnreadableError:
        return UnreadableError(
            f"Plan {digest[:12]} of {self._sessions.location} is left out, for {reason}; restore the database from a "
            f"copy, or take it out: {self.hint('remove', digest[:12])}.",
            str(reason),
        )

    def _connected(self, work: Callable[[Connection], Found]) -> Found:
        return self._sessions.read(lambda session: work(session.connection()))
