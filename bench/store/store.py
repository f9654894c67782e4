"""Reads and writes plans, shards and outcomes; a finished shard is one transaction."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Text, cast, func, select

from bench.domain.errors import UsageError
from bench.domain.outcome import Outcome, ShardResult
from bench.domain.outcomes import Outcomes
from bench.domain.plan import Plan, Shard
from bench.store.claims import Claims
from bench.store.database.opening import open_database
from bench.store.database.schema import ConflictRow, EnvironmentRow, ShardRow
from bench.store.database.sessions import Sessions
from bench.store.database.versions import ROWWISE, SCHEMA
from bench.store.images.artifacts import Artifacts, place_of
from bench.store.images.places.place import Place
from bench.store.labels import LabelBook
from bench.store.rows.belongings import Belongings, belongings, remove
from bench.store.rows.checking import cost_of
from bench.store.rows.outcomes import Shared, unpack
from bench.store.rows.reader import Reader
from bench.store.rows.records import Conflict, Cost, ShardRecord, Stamp, Whole
from bench.store.rows.writing import Filled, fill


class Store:
    """The results: `Store("results.db")`, or a PostgreSQL URL; `claims` says who is at work on what, `labels` what
    people have written on plans. Crafted images lie beside it, or in the place that `artifacts` names: a folder, or a
    URL such as s3://bucket/folder.

    `location` names it in messages, without a password; `url` opens it again, in another process too. Without `create`
    it is only read: nothing is made or upgraded, and an older bench's store opens as it is. Raises `StoreError`.
    """

    def __init__(
        self, location: str | Path, *, create: bool = True, artifacts: str | Path | Place | None = None
    ) -> None:
        opened = open_database(location, create=create)
        self.url = str(location)
        self.location = opened.address.shown
        self.path = opened.address.path
        self._engine = opened.engine
        self._sessions = Sessions(opened.engine, self.location, opened.refusal)
        self.claims = Claims(self._sessions)
        self.labels = LabelBook(self._sessions, opened.schema == SCHEMA)
        self._reader = Reader(self._sessions, rowwise=opened.schema in ROWWISE)
        weakref.finalize(self, self._engine.dispose)
        self.artifacts = Artifacts(place_of(artifacts, self.path))

    def plans(self) -> list[Plan]:
        """All plans with at least one finished shard, oldest first, with the places of their files on this machine.

        One that cannot be read, or whose shards cannot, is left out and named in `skipped`.
        """
        return self._reader.sound(self._reader.stored())

    @property
    def skipped(self) -> Mapping[str, str]:
        """What could not be read so far, and was left out: a sentence by the plan's digest."""
        return {digest: str(error) for digest, error in self._reader.skipped.items()}

    def pass_over(self, digest: str) -> None:
        """Say no more of a plan that could not be read: it was taken out, or was told already."""
        self._reader.skipped.pop(digest, None)

    def documents(self) -> dict[str, dict[str, Any]]:
        """What describes these plans, by digest; of those that can be read."""
        return {plan.digest: plan.document() for plan in self._reader.described(self._reader.stored())}

    def digests(self) -> tuple[str, ...]:
        """The digests under which there are finished shards, described or not, in the order of `plans`."""
        return tuple(stored.digest for stored in self._reader.stored())

    def plan(self, digest: str) -> Plan:
        """The plan of a digest, with finished shards or without; `UnreadableError` where it is not one of bench's."""
        return self._reader.plan(digest)

    def under_way(self, digests: Iterable[str]) -> list[Plan]:
        """Those of these plans that can be read, with finished shards or without; the others are in `skipped`."""
        return self._reader.under_way(digests)

    def find(self, prefix: str) -> Plan:
        """The one plan whose digest starts with `prefix`; `UsageError` when none or several do, `UnreadableError` where
        it cannot be read."""
        stored = {each.digest: each for each in self._reader.stored()}
        digest = self.named(prefix, stored)
        for plan in self._reader.sound([stored[digest]]):
            return plan
        raise self._reader.skipped.pop(digest)

    def named(self, prefix: str, digests: Iterable[str]) -> str:
        """The one of these digests that starts with `prefix`, or is it; `UsageError` when none or several do."""
        matches = [digest for digest in digests if digest.startswith(prefix.lower())]
        if not matches:
            hint = self.hint("list", "plans")
            raise UsageError(f"No plan in {self.location} starts with {prefix!r}; {hint} shows them.")
        if len(matches) > 1 and prefix not in matches:
            raise UsageError(f"{len(matches)} plans start with {prefix!r}; give more of the digest.")
        return prefix if prefix in matches else matches[0]

    def hint(self, *words: str) -> str:
        """A command on this store, as a message hints at it."""
        return self._reader.hint(*words)

    def belongings(self) -> dict[str, Belongings]:
        """What the store holds under each digest, be it described or not, and readable or not."""
        return self._sessions.read(lambda session: belongings(session.connection()))

    def remove(self, digests: Iterable[str]) -> None:
        """Take plans out with all their shards, outcomes and conflicts, in one transaction; their images stay."""
        wanted = list(digests)
        self._sessions.write(lambda session: remove(session.connection(), wanted))

    def pending(self, plan: Plan) -> tuple[Shard, ...]:
        """The plan's shards that are not in the store yet."""
        done = self.shard_numbers(plan)
        return tuple(shard for shard in plan.shards() if shard.index not in done)

    def shard_numbers(self, plan: Plan) -> frozenset[int]:
        """The numbers of the plan's finished shards."""
        query = select(ShardRow.number).where(ShardRow.plan == plan.digest)
        return frozenset(number for (number,) in self._rows(query))

    def add(self, plan: Plan, result: ShardResult) -> Conflict | None:
        """Commit a finished shard, whole. One that is here already stays as it is: where the new one came out
        otherwise, that is kept beside it and returned."""
        return self.add_all([(plan, result)])[0]

    def add_all(self, finished: Sequence[tuple[Plan, ShardResult]]) -> list[Conflict | None]:
        """Commit finished shards of several plans in one transaction, each as `add` does; what `add` would return."""
        offered = [(plan, (ShardRecord.of_result(result), result.outcomes)) for plan, result in finished]
        filled = self._sessions.write(lambda session: [fill(session, plan, [whole]) for plan, whole in offered])
        return [next(iter(each.conflicts), None) for each in filled]

    def fill(self, plan: Plan, shards: Iterable[Whole]) -> Filled:
        """Commit those of these finished shards that are not here yet, in one transaction; none of them where one that
        is here contradicts what is offered."""
        offered = list(shards)
        return self._sessions.write(lambda session: fill(session, plan, offered))

    def conflicts(self, plan: Plan | None = None) -> tuple[Conflict, ...]:
        """How shards (of one plan, or of all) came out otherwise elsewhere than what is kept here, oldest first.

        Raises `UnreadableError` for those of one plan that cannot be read; among all, these are left out.
        """
        return self._reader.conflicts(plan)

    def outcomes(self, plan: Plan) -> tuple[Outcome, ...]:
        """The outcomes of all finished shards, in the plan's order. Raises `UnreadableError` where they cannot be
        read."""
        return tuple(unpack(self._reader.outcomes(plan)[1]))

    def predictions(self, plan: Plan) -> dict[int, tuple[int, ...]]:
        """The predicted classes of the perturbed images, one a draw, by sample; what an untouched plan is asked for."""
        found = self.table(plan)
        return dict(zip(found.index.tolist(), map(tuple, found.perturbed.tolist()), strict=True))

    def table(self, plan: Plan, shared: Shared | None = None) -> Outcomes:
        """The same outcomes as arrays, read many times faster. Who reads many plans hands the same dictionary `shared`
        for all of them: what they have in common is then in memory once, and cannot be written to."""
        return self._reader.outcomes(plan, shared)[0]

    def shards(self, plan: Plan) -> tuple[ShardRecord, ...]:
        """The finished shards in order: cost, remarks, validity, environment. Raises `UnreadableError` where they
        cannot be read."""
        return self._reader.shards(plan)

    def costs(self, digest: str) -> tuple[Cost, ...]:
        """What each finished shard of a plan took; much cheaper than `shards`, which reads all of them. What cannot be
        read is left out."""
        row = ShardRow
        columns = (row.number, row.forwards, row.backwards, row.seconds, row.peak_memory, row.origin)
        query = (
            select(*columns, cast(EnvironmentRow.document, Text))
            .join(EnvironmentRow, EnvironmentRow.digest == row.environment)
            .where(row.plan == digest)
            .order_by(row.number)
        )
        return tuple(cost for cost in map(cost_of, self._rows(query)) if cost is not None)

    def stamp(self) -> Stamp:
        """How much there is; cheap to ask for, and another one whenever a shard has landed."""
        plans, newest, finished = ShardRow.plan.distinct(), func.max(ShardRow.id), func.max(ShardRow.finished)
        conflicts = select(func.count()).select_from(ConflictRow).scalar_subquery()
        query = select(func.count(plans), func.count(), newest, cast(finished, Text), conflicts)
        return Stamp(*self._rows(query)[0])

    def close(self) -> None:
        """Let go of the database's file; using the store again opens it again."""
        self._engine.dispose()

    def __repr__(self) -> str:
        return f"Store({self.location!r}: {self.stamp().plans} plans)"

    def _rows(self, query: Any) -> Sequence[Any]:
        return self._sessions.read(lambda session: session.execute(query).all())
