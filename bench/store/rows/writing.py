"""How plans, shards and conflicts enter the tables: what is stored is never overwritten."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Table as Columns
from sqlalchemy import bindparam, delete, insert, select, update
from sqlalchemy.orm import Session

from bench.domain.outcome import Outcome
from bench.domain.plan import Plan
from bench.store.database.dialects import inserting
from bench.store.database.schema import ClaimRow, ConflictRow, EnvironmentRow, OutcomesRow, PlanRow, ShardRow, Table
from bench.store.rows.agreement import contradiction
from bench.store.rows.outcomes import pack_outcomes, unpack
from bench.store.rows.reader import shard_of
from bench.store.rows.records import Conflict, ShardRecord, Whole, now


def _columns(row: type[Table]) -> Columns:
    return Table.metadata.tables[row.__tablename__]


# What every shard asks, made once and asked past the mapper: making a query takes longer than answering it.
_PLANS, _SHARDS, _CLAIMS = _columns(PlanRow), _columns(ShardRow), _columns(ClaimRow)
_PLACES = select(_PLANS.c.places).where(_PLANS.c.digest == bindparam("plan"))
_PLACES_ALONE = _PLACES.with_for_update(key_share=True)
_PRESENT = select(_SHARDS.c.number, _SHARDS.c.id).where(_SHARDS.c.plan == bindparam("plan"))
_ONE_PRESENT = _PRESENT.where(_SHARDS.c.number == bindparam("one"))
_ADD_SHARD, _ADD_OUTCOMES = insert(_SHARDS), insert(_columns(OutcomesRow))
_END_CLAIM = delete(_CLAIMS).where(_CLAIMS.c.plan == bindparam("of"), _CLAIMS.c.shard == bindparam("one"))


@dataclass(frozen=True)
class Filled:
    """What came of offering shards of one plan: `copied` were missing, `equal` were here already and agree."""

    copied: int
    equal: int
    conflicts: tuple[Conflict, ...] = ()


def fill(session: Session, plan: Plan, shards: Iterable[Whole]) -> Filled:
    """Add those shards of a plan that are missing, compare the others, and keep how they contradict.

    One contradiction, and nothing is added: a plan never mixes what does not agree. The same conflict is kept once. A
    shard that was merged as a claim is none any more once an equal one is offered that is none. Nobody is at work any
    more on a shard that was computed here.
    """
    offered = list(shards)
    computed = [record.number for record, _ in offered if record.origin is None]
    # Whoever fills the same plan waits here; what is missing below is missing until the transaction is over.
    add_plan(session, plan, computed_here=len(computed) == len(offered), alone=True)
    connection = session.connection()
    if len(offered) == 1:
        found = connection.execute(_ONE_PRESENT, {"plan": plan.digest, "one": offered[0][0].number})
    else:
        found = connection.execute(_PRESENT, {"plan": plan.digest})
    present = {row.number: row.id for row in found}
    missing = [(record, outcomes) for record, outcomes in offered if record.number not in present]
    rest = [(record, outcomes) for record, outcomes in offered if record.number in present]
    compared = [contradiction(plan, _stored(session, present[whole[0].number]), whole) for whole in rest]
    conflicts = tuple(conflict for conflict in compared if conflict is not None)
    for conflict in conflicts:
        _keep(session, conflict)
    if not conflicts:
        proven = [present[record.number] for record, _ in rest if not record.claimed]
        if proven:
            session.execute(update(ShardRow).where(ShardRow.id.in_(proven), ShardRow.claimed).values(claimed=False))
        for record, outcomes in missing:
            _add_shard(session, plan, record, outcomes)
    if computed:
        connection.execute(_END_CLAIM, [{"of": plan.digest, "one": number} for number in computed])
    return Filled(0 if conflicts else len(missing), len(rest) - len(conflicts), conflicts)


def add_plan(session: Session, plan: Plan, computed_here: bool, alone: bool = False) -> None:
    """The plan, unless it is there; only runs of this store say where its files lie, the newest of them.

    `alone`: nobody else gets past this for the same plan before the transaction is over.
    """
    connection, query, named = session.connection(), _PLACES_ALONE if alone else _PLACES, {"plan": plan.digest}
    known = connection.execute(query, named).one_or_none()
    places = (plan.places or None) if computed_here else None
    if known is None:
        row = inserting(session, PlanRow).values(
            digest=plan.digest,
            defense=plan.defense.name,
            attack=plan.attack.name,
            source=plan.source.name if plan.source else None,
            dataset=plan.dataset.name,
            document=plan.document(),
            created=now(),
            places=places,
        )
        session.execute(row.on_conflict_do_nothing())
        connection.execute(query, named)  # somebody else may have been faster
    elif computed_here and (known.places or None) != places:
        session.execute(update(PlanRow).where(PlanRow.digest == plan.digest).values(places=places))


def _stored(session: Session, shard: int) -> Whole:
    record, packed = shard_of(session.connection(), shard)
    return record, [*unpack([packed])]


def _keep(session: Session, conflict: Conflict) -> None:
    same = (ConflictRow.plan, ConflictRow.number, ConflictRow.origin, ConflictRow.sentence)
    known = select(ConflictRow.id).where(*(column == getattr(conflict, column.key) for column in same))
    if session.scalars(known).first() is None:
        session.add(conflict.row())
        session.flush()


def _add_shard(session: Session, plan: Plan, shard: ShardRecord, outcomes: Sequence[Outcome]) -> None:
    connection, environment = session.connection(), _add_environment(session, shard.environment)
    added = connection.execute(_ADD_SHARD, shard.row(plan.digest, environment)).inserted_primary_key
    assert added is not None
    connection.execute(_ADD_OUTCOMES, {"shard": added.id, **pack_outcomes(outcomes)._asdict()})


def _add_environment(session: Session, environment: Mapping[str, Any]) -> str:
    digest = hashlib.sha256(json.dumps(environment, sort_keys=True).encode()).hexdigest()
    row = inserting(session, EnvironmentRow).on_conflict_do_nothing()
    session.connection().execute(row, {"digest": digest, "document": dict(environment)})
    return digest
