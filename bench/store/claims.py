"""Who is at work on which shard: leases by the database's clock, and what the workers say of themselves."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from sqlalchemy import ColumnElement, bindparam, delete, not_, or_, select, update
from sqlalchemy.orm import Session

from bench.domain.plan import Plan
from bench.store.database.dialects import clock, inserting
from bench.store.database.schema import ClaimRow, ShardRow, WorkerRow
from bench.store.database.sessions import Sessions
from bench.store.rows.forms import misfit
from bench.store.rows.writing import add_plan

FORGOTTEN = 7 * 86_400.0
"""Seconds after which a worker that has said nothing is no longer listed."""
LONGEST = 600.0
"""No lease is for more seconds: one that would still hold after these is of before the clock was set back."""


@dataclass(frozen=True)
class Claim:
    """A shard of the plan with the digest `plan` that `worker` is at work on; times are seconds since 1970, and `left`
    is for how many seconds more the lease holds, all by the database's clock."""

    plan: str
    shard: int
    worker: str
    taken: float
    expires: float
    left: float


@dataclass(frozen=True)
class WorkerRecord:
    """What a worker last said of itself; times as in `Claim`, and `silent` is how many seconds ago that was.

    `done` counts the shards that it has finished since it `started`.
    """

    name: str
    host: str
    started: float
    seen: float
    silent: float
    doing: str
    done: int


class Claims:
    """Leases on the shards of a store: each is held by one worker at a time, and free again when its time is over.

    A lease saves work and guards nothing: a shard that two workers finish all the same is stored once.
    """

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    def take(
        self,
        plan: Plan,
        shards: Sequence[int],
        worker: str,
        seconds: float,
        *,
        most: int | None = None,
        finished: bool = False,
    ) -> frozenset[int]:
        """Which of these shards the worker holds now, for so many seconds: those that were free, those whose lease had
        run out, and those that it held already; at most `most` of them, the first ones.

        `seconds` are at most `LONGEST`. Shards that are in the store are not given, unless they are `finished` on
        purpose (to make their images anew).
        """
        wanted = sorted(set(shards)) if most is None else list(dict.fromkeys(shards))
        if not wanted or most == 0:
            return frozenset()

        def work(session: Session) -> frozenset[int]:
            add_plan(session, plan, computed_here=True)
            if most is None:
                return frozenset(_take(session, plan, wanted, worker, seconds, finished))
            taken: set[int] = set()
            candidates = iter(_free(session, plan, wanted, worker, finished))
            while len(taken) < most and (some := list(islice(candidates, most - len(taken)))):
                taken |= _take(session, plan, sorted(some), worker, seconds, finished)
            return frozenset(taken)

        return self._sessions.write(work)

    def renew(self, worker: str, seconds: float) -> None:
        """Let all leases that the worker holds last for so many seconds from now."""
        query = update(ClaimRow).where(ClaimRow.worker == worker).values(expires=clock() + seconds)
        self._sessions.write(lambda session: session.execute(query))

    def release(self, worker: str, plan: Plan | None = None, shard: int | None = None) -> None:
        """Give back what the worker holds: everything, all of a plan, or one shard of it."""
        query = delete(ClaimRow).where(ClaimRow.worker == worker)
        if plan is not None:
            query = query.where(ClaimRow.plan == plan.digest)
        if shard is not None:
            query = query.where(ClaimRow.shard == shard)
        self._sessions.write(lambda session: session.execute(query))

    def held(self) -> tuple[Claim, ...]:
        """The leases that have not run out, by plan and shard; what holds something else than a lease does is none."""
        query = (
            select(ClaimRow, (ClaimRow.expires - clock()).label("left"))
            .where(_holds())
            .order_by(ClaimRow.plan, ClaimRow.shard)
        )
        if self._sessions.refusal:  # an older schema, where nobody is at work, or a copy
            return ()
        found = self._sessions.read(
            lambda session: [
                Claim(row.plan, row.shard, row.worker, row.taken, row.expires, left)
                for row, left in session.execute(query)
            ]
        )
        return tuple(claim for claim in found if misfit(claim) is None)

    def note(self, worker: str, doing: str = "", done: int = 0, host: str | None = None) -> None:
        """Say that a worker lives, what it is doing, and how many shards it has finished; `host` is this one."""

        def work(session: Session) -> None:
            now = session.scalars(select(clock())).one()
            said = {"host": host or socket.gethostname(), "seen": now, "doing": doing, "done": done}
            session.execute(
                inserting(session, WorkerRow)
                .values(name=worker, started=now, **said)
                .on_conflict_do_update(index_elements=["name"], set_=said)
            )

        self._sessions.write(work)

    def forget(self, worker: str) -> None:
        """Strike a worker that has ended off the list, with those that have said nothing for long; its leases end."""

        def work(session: Session) -> None:
            session.execute(delete(ClaimRow).where(ClaimRow.worker == worker))
            silent = WorkerRow.seen < clock() - FORGOTTEN
            session.execute(delete(WorkerRow).where(or_(WorkerRow.name == worker, silent)))

        self._sessions.write(work)

    def workers(self) -> tuple[WorkerRecord, ...]:
        """What the workers of any host last said, by name; one that died is silent for longer than the others. A row
        that holds something else is nobody's."""
        query = (
            select(WorkerRow, (clock() - WorkerRow.seen).label("silent"))
            .where(WorkerRow.seen >= clock() - FORGOTTEN)
            .order_by(WorkerRow.name)
        )
        if self._sessions.refusal:
            return ()
        found = self._sessions.read(
            lambda session: [
                WorkerRecord(row.name, row.host, row.started, row.seen, max(0.0, silent), row.doing, row.done)
                for row, silent in session.execute(query)
            ]
        )
        return tuple(worker for worker in found if misfit(worker) is None)


def _holds() -> ColumnElement[bool]:
    """Whether a lease has not run out, however the clock was set."""
    return ClaimRow.expires.between(clock(), clock() + LONGEST)


def _free(session: Session, plan: Plan, shards: Sequence[int], worker: str, finished: bool) -> Iterator[int]:
    """Those shards that the worker might take, in their order."""
    others = ClaimRow.worker != worker
    held = select(ClaimRow.shard).where(ClaimRow.plan == plan.digest, others, _holds())
    taken = set(session.scalars(held))
    if not finished:
        taken |= set(session.scalars(select(ShardRow.number).where(ShardRow.plan == plan.digest)))
    return (shard for shard in shards if shard not in taken)


def _take(session: Session, plan: Plan, shards: Sequence[int], worker: str, seconds: float, finished: bool) -> set[int]:
    lease = {"plan": plan.digest, "worker": worker, "taken": clock(), "expires": clock() + seconds}
    new = inserting(session, ClaimRow).values({**lease, "shard": bindparam("number")})
    offered = new.excluded
    query = new.on_conflict_do_update(
        index_elements=["plan", "shard"],
        set_={"worker": offered.worker, "taken": offered.taken, "expires": offered.expires},
        where=or_(ClaimRow.worker == offered.worker, not_(_holds())),
    ).returning(ClaimRow.shard)
    found = session.connection().execute(query, [{"number": shard} for shard in shards])
    ours: set[int] = set(found.scalars())
    if ours and not finished:
        # Asked only now: whoever finished a shard has given up its lease in the same transaction.
        done = ours & set(session.scalars(select(ShardRow.number).where(ShardRow.plan == plan.digest)))
        session.execute(delete(ClaimRow).where(ClaimRow.plan == plan.digest, ClaimRow.shard.in_(done)))
        ours -= done
    return ours
