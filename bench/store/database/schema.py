"""The tables: plans, what is written on them, environments, shards, outcomes, conflicts, and who is at work."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, DateTime, Double, ForeignKey, MetaData, Text, UniqueConstraint, false
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

NAMING = {
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class Table(DeclarativeBase):
    """Common metadata: stable names for constraints, so that migrations can speak of them."""

    metadata = MetaData(naming_convention=NAMING)


class PlanRow(Table):
    """A plan under its digest; the columns beside the document are for people who query by hand.

    `places` says where its plugins and files lay when it was last run into this store.
    """

    __tablename__ = "plans"

    digest: Mapped[str] = mapped_column(Text, primary_key=True)
    defense: Mapped[str] = mapped_column(Text)
    attack: Mapped[str] = mapped_column(Text)
    source: Mapped[str | None] = mapped_column(Text)
    dataset: Mapped[str] = mapped_column(Text)
    document: Mapped[dict[str, Any]] = mapped_column(JSON)
    created: Mapped[datetime] = mapped_column(DateTime)
    places: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))


class EnvironmentRow(Table):
    """What describes a run and changes no plan: device, versions, commit."""

    __tablename__ = "environments"

    digest: Mapped[str] = mapped_column(Text, primary_key=True)
    document: Mapped[dict[str, Any]] = mapped_column(JSON)


class ShardRow(Table):
    """One finished shard. `origin` names the store that it was merged from, `claimed` is what could not be checked."""

    __tablename__ = "shards"
    __table_args__ = (UniqueConstraint("plan", "number"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    plan: Mapped[str] = mapped_column(ForeignKey("plans.digest"))
    number: Mapped[int]
    environment: Mapped[str] = mapped_column(ForeignKey("environments.digest"))
    perturbed_sha256: Mapped[str] = mapped_column(Text)
    invalid: Mapped[str | None] = mapped_column(Text)
    remarks: Mapped[list[str]] = mapped_column(JSON)
    forwards: Mapped[int] = mapped_column(BigInteger)
    backwards: Mapped[int] = mapped_column(BigInteger)
    seconds: Mapped[float] = mapped_column(Double)
    peak_memory: Mapped[int] = mapped_column(BigInteger)
    finished: Mapped[datetime] = mapped_column(DateTime)
    facts: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    origin: Mapped[str | None] = mapped_column(Text)
    claimed: Mapped[bool] = mapped_column(default=False, server_default=false())


class OutcomesRow(Table):
    """The outcomes of one shard, a packed column each; `rows.columns` says how, `bench export` writes rows."""

    __tablename__ = "shard_outcomes"

    shard: Mapped[int] = mapped_column(ForeignKey("shards.id", ondelete="CASCADE"), primary_key=True)
    samples: Mapped[int]
    sample: Mapped[bytes]
    label: Mapped[bytes]
    clean: Mapped[bytes]
    perturbed: Mapped[bytes]
    distance: Mapped[bytes]
    radius: Mapped[bytes | None]
    minimal: Mapped[bytes | None]
    broken_at: Mapped[bytes | None]
    fell_to: Mapped[bytes | None]
    parts: Mapped[str | None] = mapped_column(Text)


class ConflictRow(Table):
    """A shard that came out otherwise elsewhere than the one that is kept here."""

    __tablename__ = "conflicts"

    id: Mapped[int] = mapped_column(primary_key=True)
    plan: Mapped[str] = mapped_column(ForeignKey("plans.digest"))
    number: Mapped[int]
    origin: Mapped[str] = mapped_column(Text)
    samples: Mapped[int]
    compared: Mapped[int]
    sentence: Mapped[str] = mapped_column(Text)
    environment: Mapped[dict[str, Any]] = mapped_column(JSON)
    found: Mapped[datetime] = mapped_column(DateTime)


class LabelRow(Table):
    """A tag or a note (`kind`) that somebody has written on a plan; `sha256` is of kind and text."""

    __tablename__ = "labels"

    plan: Mapped[str] = mapped_column(ForeignKey("plans.digest"), primary_key=True)
    sha256: Mapped[str] = mapped_column(Text, primary_key=True)
    kind: Mapped[str] = mapped_column(Text)
    text: Mapped[str] = mapped_column(Text)
    added: Mapped[datetime] = mapped_column(DateTime)


class ClaimRow(Table):
    """A shard that a worker is at work on until `expires`; times are seconds since 1970 by the database's clock."""

    __tablename__ = "claims"

    plan: Mapped[str] = mapped_column(ForeignKey("plans.digest"), primary_key=True)
    shard: Mapped[int] = mapped_column(primary_key=True)
    worker: Mapped[str] = mapped_column(Text)
    taken: Mapped[float] = mapped_column(Double)
    expires: Mapped[float] = mapped_column(Double)


class WorkerRow(Table):
    """What a worker last said of itself, and when, by the database's clock."""

    __tablename__ = "workers"

    name: Mapped[str] = mapped_column(Text, primary_key=True)
    host: Mapped[str] = mapped_column(Text)
    started: Mapped[float] = mapped_column(Double)
    seen: Mapped[float] = mapped_column(Double)
    doing: Mapped[str] = mapped_column(Text)
    done: Mapped[int]
